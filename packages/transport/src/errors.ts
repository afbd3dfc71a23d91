import { printable, printableLines, TaggedError } from "@rsyscall/near";

/** Characters of what a command has said in a message: the end of it, where the reason is. */
const SAID = 4096;

/**
 * What kept a handshake from its end: time, the other side, who it is, which protocol it speaks; or what carries
 * it, which is a terminal, has a stdin that ends at once, or one that cannot be waited for.
 */
export type HandshakeProblem =
  | "TimedOut"
  | "HungUp"
  | "NotAllowed"
  | "WrongVersion"
  | "Terminal"
  | "NoStdin"
  | "NonblockingStdin";

/** Whoever wanted to become a Thread was turned away before it did. */
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

/** A command through which a Thread was to be had did not lead to one. */
export class LaunchError extends TaggedError("LaunchError")<{
  /** The command, as `Command.toString` has it: without the values of its environment. */
  readonly command: string;
  readonly problem: string;
  /** What the problem is, as far as it is known to be one of these. */
  readonly kind?: HandshakeProblem | undefined;
  /** What it has written to stderr: the end of it, as it came. */
  readonly stderr: string;
  readonly cause?: unknown;
}> {
  /** What others have chosen is escaped. */
  override get message(): string {
    const said = printableLines(this.stderr.trim().slice(-SAID));
    const what = `${printable(this.command)}: ${printableLines(this.problem)}`;
    return said === "" ? what : `${what}\n${said}`;
  }
}

/** What is at a path where a server was to be is none of its own. */
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
