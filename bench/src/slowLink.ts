import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Effect, type Scope } from "effect";

/** Opens a TCP port that leads to another, with more delay each way: netem(8) without its kernel module. */
export const slowLink = (
  port: number,
  milliseconds: number,
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() =>
        fork(fileURLToPath(new URL("slowLinkChild.js", import.meta.url)), [
          `${port}`,
          `${milliseconds}`,
        ]),
      ),
      (child) => Effect.sync(() => child.disconnect()),
    ),
    (child) =>
      Effect.callback<number>((resume) => {
        child.once("message", (opened) => resume(Effect.succeed(opened as number)));
        child.once("exit", () => resume(Effect.die(new Error("the slow link has ended"))));
      }),
  );
