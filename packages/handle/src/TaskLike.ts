import type { Task } from "./Task.ts";

/**
 * A process to act on: a Thread, or a Task. Functions that are named like a man page take either. A handle is not
 * a TaskLike, although it has a task.
 */
export interface TaskLike {
  readonly task: Task;
  readonly near?: never;
}
