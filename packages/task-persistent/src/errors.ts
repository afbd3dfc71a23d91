import { printable, TaggedError } from "@rsyscall/near";

/** The reason why a persistent task cannot be reached. */
export type PersistentTaskErrorReason =
  | "NobodyListens"
  | "Busy"
  | "NotAllowed"
  | "WrongVersion"
  | "NotPersistent"
  | "PathTaken";

/** A persistent task could not be started at a path, or could not be reached there. */
export class PersistentTaskError extends TaggedError("PersistentTaskError")<{
  readonly reason: PersistentTaskErrorReason;
  /** The path of the socket. */
  readonly path: string;
  readonly problem: string;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return `${printable(this.path)}: ${printable(this.problem)}`;
  }
}
