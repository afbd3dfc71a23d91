import {
  type ExecutableNotFoundError,
  LocalThread,
  type LocalThreadFailure,
} from "@rsyscall/thread";
import { Effect } from "effect";

/** Runs a command under supervision, and gives its status. Failures are lines, with the statuses of a shell. */
export const statusOf = <E extends { readonly _tag: string; readonly message: string }>(
  run: Effect.Effect<{ readonly status: number }, E, LocalThread>,
): Promise<number> =>
  Effect.runPromise(
    run.pipe(
      Effect.provide(LocalThread.layer),
      Effect.map(({ status }) => status),
      Effect.catch((error: E | LocalThreadFailure) =>
        Effect.sync(() => {
          process.stderr.write(`rsyscall: ${error.message}\n`);
          // 127: not found; 126: not executed; 2: wrong usage.
          if (error._tag === "ExecutableNotFoundError")
            return (error as unknown as ExecutableNotFoundError).notExecutable === undefined
              ? 127
              : 126;
          return error._tag === "PolicyError" || error._tag === "OutputError" ? 2 : 126;
        }),
      ),
    ),
  );
