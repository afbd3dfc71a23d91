import { printable, printableLines, TaggedError } from "@rsyscall/near";

/** Characters of a command's output that a message quotes: its end, where the reason is. */
const SAID = 4096;

/**
 * Why a handshake failed: no answer in time, a hang-up, a command that ended after a shell had begun behind it (`Cut`), a user that is not allowed, another version of the protocol;
 * or a command that does not carry bytes, because it is a terminal, its stdin ends at once, or its stdin does not
 * block.
 */
export type HandshakeProblem =
  | "TimedOut"
  | "HungUp"
  | "Cut"
  | "NotAllowed"
  | "WrongVersion"
  | "Terminal"
  | "NoStdin"
  | "NonblockingStdin";

/** A process was turned away before it became a Thread. */
export class HandshakeError extends TaggedError("HandshakeError")<{
  /** What the client is told, if it still listens. */
  readonly problem: string;
  /** Undefined if what it said was malformed. */
  readonly kind?: HandshakeProblem;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return printableLines(this.problem);
  }
}

/** A command did not lead to a Thread. */
export class LaunchError extends TaggedError("LaunchError")<{
  /** The command, as `Command.toString` has it: without the values of its environment. */
  readonly command: string;
  readonly problem: string;
  /** What the problem is, as far as it is known to be one of these. */
  readonly kind?: HandshakeProblem | undefined;
  /** The end of what it has written to stderr, as it came. */
  readonly stderr: string;
  readonly cause?: unknown;
}> {
  /** Text of other programs is escaped. */
  override get message(): string {
    const said = printableLines(this.stderr.trim().slice(-SAID));
    const what = `${printable(this.command)}: ${printableLines(this.problem)}`;
    return said === "" ? what : `${what}\n${said}`;
  }
}

/** Something that is not ours lies at a path where a server was to be. */
export class PathTakenError extends TaggedError("PathTakenError")<{
  readonly path: string;
  /** What is there. */
  readonly problem: string;
  /** What helps. */
  readonly remedy: string;
}> {
  override get message(): string {
    return `${printable(this.path)} ${this.problem}: ${this.remedy}`;
  }
}
