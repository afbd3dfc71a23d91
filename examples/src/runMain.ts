import { Effect, Runtime } from "effect";

/** Runs a program whose result is the exit status. SIGINT and SIGTERM interrupt it, so that its scopes close. */
export const runMain = (program: Effect.Effect<number, Error>): void => {
  const reported = Effect.catch(program, (error) =>
    Effect.sync(() => {
      process.stderr.write(`${error.message}\n`);
      return 1;
    }),
  );
  const status = Effect.map(reported, (code) => {
    process.exitCode = code;
  });
  Runtime.makeRunMain(({ fiber, teardown }) => {
    const interrupt = () => fiber.interruptUnsafe();
    process.once("SIGINT", interrupt);
    process.once("SIGTERM", interrupt);
    fiber.addObserver((exit) => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
      teardown(exit, (code) => {
        process.exitCode ||= code;
      });
    });
  })(status);
};
