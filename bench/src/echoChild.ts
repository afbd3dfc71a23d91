import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Effect, type Scope } from "effect";

/** Starts a Node child that sends back each message, and gives a function for one round trip. */
export const echoChild: Effect.Effect<
  (message: unknown) => Effect.Effect<void>,
  never,
  Scope.Scope
> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = fork(fileURLToPath(new URL("echo.js", import.meta.url)), {
        serialization: "advanced",
      });
      const waiting: Array<() => void> = [];
      child.on("message", () => waiting.shift()?.());
      return { child, waiting };
    }),
    ({ child }) => Effect.sync(() => child.disconnect()),
  ),
  ({ child, waiting }) =>
    (message) =>
      Effect.callback<void>((resume) => {
        waiting.push(() => resume(Effect.void));
        child.send(message as object);
      }),
);
