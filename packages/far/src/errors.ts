import { printable, TaggedError } from "@rsyscall/near";

/** What helps, by what does not match. */
const remedies: Readonly<Record<string, string>> = {
  "file descriptor table":
    ": open it before the fork, so that `inherit` gives the child's copy, or pass it: `connection.passTo` of the process that is to have it, from the one that controls it",
  "address space":
    ": `forTask` gives a child that shares the memory its own handle; other processes map the same memfd",
  task: ": read it here, and write it there with `ptr`",
};

/** A near identifier was used through a task for which it means something else, or nothing. */
export class NamespaceMismatchError extends TaggedError("NamespaceMismatchError")<{
  /** What does not match: "file descriptor table", "address space", or a namespace. */
  readonly namespace: string;
  readonly subject: string;
}> {
  override get message(): string {
    return `${printable(this.subject)} belongs to another ${this.namespace} than the task that it is used with${remedies[this.namespace] ?? ""}`;
  }
}
