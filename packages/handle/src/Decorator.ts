import { type Pid, type SyscallInterface, type TraceSink, traced } from "@rsyscall/near";

/** Changes how the system calls of a task are made: see `decorated` of @rsyscall/near and `Task.decorate`. */
export interface Decorator {
  /**
   * Wraps the interface by which the calls of a task are made.
   *
   * @param pid the number of the process, as its parent sees it
   */
  readonly decorate: (inner: SyscallInterface, pid: Pid) => SyscallInterface;
  /** Whether children that the task makes also have the decorator. */
  readonly isInherited: boolean;
}

/** Reports every system call to a sink, including those of children. */
export const tracing = (sink: TraceSink): Decorator => ({
  decorate: (inner, pid) => traced(inner, sink, { pid }),
  isInherited: true,
});
