import { Command } from "effect/cli";
import { command, file, treeFlags } from "../flags.ts";
import { perform } from "../perform.ts";

/** Runs a command, and reports every program that it runs. */
export const watch = Command.make(
  "watch",
  {
    json: file("json", "Write the tree as JSON"),
    html: file("html", "Write the tree as a page with a timeline"),
    text: file("text", "Write the tree as text. Without any file, it is printed on stderr"),
    ...treeFlags,
    command,
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
