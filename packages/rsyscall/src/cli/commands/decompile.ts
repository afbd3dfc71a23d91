import { Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { perform } from "../perform.ts";

/** Turns a shell script into a program in TypeScript. */
export const decompile = Command.make(
  "decompile",
  {
    out: Flag.String("out").pipe(
      Flag.withAlias("o"),
      Flag.withMetavar("FILE"),
      Flag.withDescription(
        "Where the program goes; else to stdout, and what the script says to stderr",
      ),
      Flag.optional,
      Flag.map(Option.getOrUndefined),
    ),
    script: Argument.String("script").pipe(Argument.withDescription("The script: it really runs")),
    args: Argument.String("argument").pipe(
      Argument.withDescription("Its arguments, behind --"),
      Argument.variadic(),
    ),
  },
  (options) => perform(() => import("../run/decompile.ts"), options),
).pipe(
  Command.withShortDescription("Show a script's calls as a program in TypeScript"),
  Command.withDescription(
    "Runs a script, and prints the programs that it has called as a program in TypeScript. The script REALLY RUNS: " +
      "what it removes is gone. Only what has run is seen, and no builtin of the shell.",
  ),
  Command.withExamples([
    { command: "rsyscall decompile backup.sh > backup.ts" },
    { command: "rsyscall decompile -o release.ts release.sh -- 1.2.0" },
  ]),
);
