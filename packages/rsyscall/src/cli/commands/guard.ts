import { Command, Flag } from "effect/cli";
import { command, file, treeFlags } from "../flags.ts";
import { perform } from "../perform.ts";

/** Runs a command, and lets a policy decide every program that it runs. */
export const guard = Command.make(
  "guard",
  {
    policy: Flag.String("policy").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription(
        "A module, also in TypeScript, whose default export is (call) => verdict",
      ),
    ),
    log: file("log", "Append each decision, as a line of JSON"),
    ...treeFlags,
    command,
  },
  (options) => perform(() => import("../run/guard.ts"), options),
).pipe(
  Command.withShortDescription("Decide every program that a command runs"),
  Command.withDescription(
    "Runs a command, and asks a policy about every program of its tree: allow, deny, or ask at the terminal. It is a " +
      "policy for honest programs, and no sandbox. The exit status is that of the command.",
  ),
  Command.withExamples([
    { command: "rsyscall guard --policy policy.ts --log decisions.jsonl -- ./install.sh" },
  ]),
);
