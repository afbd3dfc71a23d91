import { printable, printableLines, TaggedError } from "@rsyscall/near";

/** Characters of what a command has said in a message: the end of it, where the reason is. */
const SAID = 4096;

/** nix-store(1) did not do what it was asked to. */
export class NixError extends TaggedError("NixError")<{
  /** The command, as `Command.toString` has it: without the values of its environment. */
  readonly command: string;
  /** How it ended. */
  readonly problem: string;
  /** What it has written to stderr, as it came. */
  readonly stderr: string;
}> {
  override get message(): string {
    const said = printableLines(this.stderr.trim().slice(-SAID));
    const what = `${printable(this.command)}: ${printable(this.problem)}`;
    return said === "" ? what : `${what}\n${said}`;
  }
}
