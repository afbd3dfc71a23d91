import { printable, printableLines, TaggedError } from "@rsyscall/near";

/** Characters of a command's stderr in a message: its end, where the reason is. */
const SAID = 4096;

/** nix-store(1) failed. */
export class NixError extends TaggedError("NixError")<{
  /** The command by `Command.toString`: without the values of its environment. */
  readonly command: string;
  /** How it ended. */
  readonly problem: string;
  /** All that the command has written to stderr. */
  readonly stderr: string;
}> {
  override get message(): string {
    const said = printableLines(this.stderr.trim().slice(-SAID));
    const what = `${printable(this.command)}: ${printable(this.problem)}`;
    return said === "" ? what : `${what}\n${said}`;
  }
}
