import { printable, printableLines } from "@rsyscall/near";
import { Data } from "effect";

/** nix-store(1) did not do what it was asked to. */
export class NixError extends Data.TaggedError("NixError")<{
  /** The command, as a shell would take it. */
  readonly command: string;
  /** How it ended. */
  readonly problem: string;
  /** What it has written to stderr, as it came. */
  readonly stderr: string;
}> {
  override get message(): string {
    const said = printableLines(this.stderr).trim();
    const what = `${printable(this.command)}: ${printable(this.problem)}`;
    return said === "" ? what : `${what}\n${said}`;
  }
}
