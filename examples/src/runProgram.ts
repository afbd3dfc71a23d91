import { type SpawnOptions, spawn } from "node:child_process";
import { constants } from "node:os";
import { Effect } from "effect";

/**
 * Runs a program with the stdio of this process, by Node's own means, and returns its exit status as a shell
 * does: 127 if it is not found, 126 if it cannot be executed, 128 + N if signal N ended it.
 */
export const runProgram = (
  command: string,
  args: ReadonlyArray<string>,
  options: SpawnOptions,
): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const child = spawn(command, args, { stdio: "inherit", ...options });
    child.on("error", (error: NodeJS.ErrnoException) => {
      const found = error.code !== "ENOENT";
      process.stderr.write(`${command}: ${found ? error.message : "command not found"}\n`);
      resume(Effect.succeed(found ? 126 : 127));
    });
    child.on("exit", (status, signal) =>
      resume(Effect.succeed(signal === null ? (status ?? 1) : 128 + constants.signals[signal])),
    );
    return Effect.sync(() => void child.kill());
  });
