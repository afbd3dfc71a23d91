import { Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { perform } from "../perform.ts";

const file = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(description),
    Flag.optional,
    Flag.map(Option.getOrUndefined),
  );

/** Runs a command, and reports every program that it runs. */
export const watch = Command.make(
  "watch",
  {
    json: file("json", "Write the tree as JSON"),
    html: file("html", "Write the tree as a page with a timeline"),
    text: file("text", "Write the tree as text. Without any file, it is printed on stderr"),
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
  (options) => perform(() => import("../run/watch.ts"), options),
).pipe(
  Command.withShortDescription("Show every program that a command runs"),
  Command.withDescription(
    "Runs a command and shows every program of its tree, also by absolute paths and static ones. The exit status is " +
      "that of the command.",
  ),
  Command.withExamples([
    { command: "rsyscall watch -- make -j4" },
    { command: "rsyscall watch --html build.html -- make -j4" },
  ]),
);
