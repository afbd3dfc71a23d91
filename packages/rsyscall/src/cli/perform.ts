import { Effect } from "effect";

/** What a subcommand does: gives the exit status. */
export type Run<Options> = (options: Options) => Promise<number>;

/**
 * Performs a subcommand: loads what it does, and has its exit status. It is all Promises between the command line, which
 * has an Effect of its own, and what the subcommands do, which have that of the packages.
 */
export const perform = <Options>(
  load: () => Promise<{ readonly run: Run<Options> }>,
  options: Options,
): Effect.Effect<void> =>
  Effect.promise(async () => {
    try {
      const { run } = await load();
      process.exitCode = await run(options);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // Errors that tell the user what to do are lines, as what the system refuses; all others are faults of ours.
      const isForUser =
        error.name === "UsageError" || error.name === "MockError" || "syscall" in error;
      process.stderr.write(`rsyscall: ${isForUser ? error.message : error.stack}\n`);
      process.exitCode = error.name === "UsageError" ? 2 : 1;
    }
  });
