import { Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
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
    log: Flag.String("log").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Append each decision, as a line of JSON"),
      Flag.optional,
      Flag.map(Option.getOrUndefined),
    ),
    killRest: Flag.Boolean("kill-rest").pipe(
      Flag.withDescription("Kill what the command leaves in the background, instead of waiting"),
      Flag.withDefault(false),
    ),
    contain: Flag.Boolean("contain").pipe(
      Flag.withDescription("In a pid namespace, which ends with this process in any case"),
      Flag.withDefault(false),
    ),
    command: Argument.String("command").pipe(
      Argument.withDescription("The command, with its arguments, behind --"),
      Argument.variadic({ min: 1 }),
    ),
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
