import type { Task } from "@rsyscall/handle";
import type { ThreadFields } from "./ThreadFields.ts";

/** Starts children: a Thread, or a process that does so for a Thread. */
export interface Starter extends ThreadFields {
  /** The task for which children are started, if that is another one. Its pid namespace numbers them. */
  readonly outside?: Task | undefined;
}
