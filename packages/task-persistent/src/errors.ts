import { printable, TaggedError } from "@rsyscall/near";

/** Why there is no way to a persistent task. */
export type PersistentTaskErrorReason =
  | "NobodyListens"
  | "Busy"
  | "NotAllowed"
  | "WrongVersion"
  | "NotPersistent"
  | "PathTaken";

/** A persistent task could not be started at a path, or not be reached there. */
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
