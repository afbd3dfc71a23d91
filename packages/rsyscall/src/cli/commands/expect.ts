import { Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { wholeNumber } from "../flags.ts";
import { perform } from "../perform.ts";

/** Looks at the log of calls. */
export const expect = Command.make(
  "expect",
  {
    times: wholeNumber("times", "N", "Exactly so often").pipe(
      Flag.optional,
      Flag.map(Option.getOrUndefined),
    ),
    atLeast: wholeNumber(
      "at-least",
      "N",
      "So often or more. Without a number of any kind: once or more",
    ).pipe(Flag.optional, Flag.map(Option.getOrUndefined)),
    never: Flag.Boolean("never").pipe(Flag.withDescription("Not at all"), Flag.withDefault(false)),
    log: Argument.String("log").pipe(Argument.withDescription("The file of rsyscall mock --log")),
    pattern: Argument.String("pattern").pipe(
      Argument.withDescription("Which calls: 'sendmail -t *'"),
    ),
  },
  (options) => perform(() => import("../run/expect.ts"), options),
).pipe(
  Command.withShortDescription("Check the calls that were logged"),
  Command.withDescription(
    "Checks the calls that rsyscall mock --log has written, also while it runs. Status 0 if they are as expected; " +
      "1 if not, and what came; 2 for wrong usage.",
  ),
  Command.withExamples([
    { command: "rsyscall expect calls.jsonl 'sendmail -t *' --times 1" },
    { command: "rsyscall expect calls.jsonl 'git push --force' --never" },
  ]),
);
