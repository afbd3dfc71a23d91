import type { Task } from "./Task.ts";

/**
 * A process to act on: a Thread, or a Task. Functions that are named like a man page take either. A handle is not
 * a TaskLike, although it has a task.
 */
export interface TaskLike {
  /** The task of the process. */
  readonly task: Task;
  /** Absent: a FileDescriptor has a `near`, and must not be taken for a process. */
  readonly near?: never;
}
