import type { Task } from "./Task.ts";

/**
 * A process to act on: a Thread, or the Task alone. Functions that are named as the man page take either. No handle
 * is one, although it knows its task.
 */
export interface TaskLike {
  readonly task: Task;
  readonly near?: never;
}
