/* A controller whose callers may lie: DIRECTORY. Serves "stub" there, does with a liar what its hello asks
 * for, and reports to its parent over the IPC channel: what came of that, what was logged, and on request how
 * long the event loop has stood still at worst, and how many descriptors are open. */
import { readdirSync } from "node:fs";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Cause, Effect, Exit, Logger, References } from "effect";
import { watchLoop } from "../fixtures/watchdog.mjs";
import { uses } from "./controllerUses.mjs";

const loop = watchLoop();

process.on("message", () => {
  const fds = readdirSync("/proc/self/fd").length;
  process.send({ type: "report", lag: loop.take(), fds, rss: process.memoryUsage().rss });
});
process.on("disconnect", () => process.exit());
for (const event of ["uncaughtException", "unhandledRejection"])
  process.on(event, (error) => process.send({ type: "log", level: "Fatal", text: String(error) }));

const logger = Logger.make(({ logLevel, message, cause }) => {
  const text = [message, cause.reasons.length > 0 ? Cause.pretty(cause) : ""].flat().join(" ");
  process.send({ type: "log", level: logLevel, text });
});

const outcomeOf = (exit) => {
  if (Exit.isSuccess(exit)) return `success: ${exit.value}`;
  const error = Cause.squash(exit.cause);
  const kind = Cause.hasDies(exit.cause) ? "defect" : "failure";
  return `${kind}: ${error?._tag ?? error?.name}: ${error?.message} ${error?.cause ?? ""}`;
};

const handle = (call) => {
  const [name, lie, use] = call.argv;
  const { thread } = call;
  if (name !== "liar")
    return Effect.map(thread.readTextToEof(thread.stdin), (text) => (text === "hello" ? 3 : 4));
  return Effect.gen(function* () {
    const exit = yield* Effect.exit(Effect.timeout(Effect.scoped(uses[use](thread)), "2 seconds"));
    process.send({ type: "outcome", lie, text: outcomeOf(exit) });
    yield* thread.task.sysif.close();
    return 0;
  });
};

const program = Effect.gen(function* () {
  const options = { handshakeTimeout: "1 second" };
  const server = yield* StubServer.make(yield* LocalThread, process.argv[2], "stub", options);
  process.send({ type: "ready" });
  yield* server.serve(handle);
});

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(LocalThread.layer),
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, "Debug"),
  ),
);
