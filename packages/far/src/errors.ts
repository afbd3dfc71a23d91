import { Data } from "effect";

/** A near identifier was used through a task for which it means something else, or nothing. */
export class NamespaceMismatchError extends Data.TaggedError("NamespaceMismatchError")<{
  /** What does not match: "file descriptor table", "address space", or a namespace. */
  readonly namespace: string;
  readonly subject: string;
}> {
  override get message(): string {
    return `${this.subject} belongs to another ${this.namespace} than the task that it is used with`;
  }
}
