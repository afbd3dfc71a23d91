import type { Task } from "@rsyscall/handle";
import type { ThreadFields } from "./ThreadFields.ts";

/** What starts children: a Thread, or a process of ours that does it for one. */
export interface Starter extends ThreadFields {
  /** The task for which it is done, if that is another one, and whose numbers name the children. */
  readonly outside?: Task | undefined;
}
