import { type Pid, type SyscallInterface, type TraceSink, traced } from "@rsyscall/near";

/** Another way to make the system calls of a task: see `decorated` of @rsyscall/near and `Task.decorate`. */
export interface Decorator {
  /** @param pid the number of the process, as its parent sees it */
  readonly decorate: (inner: SyscallInterface, pid: Pid) => SyscallInterface;
  /** Whether children that the task makes have it too. */
  readonly isInherited: boolean;
}

/** Tells a sink of every system call, also of those of children. */
export const tracing = (sink: TraceSink): Decorator => ({
  decorate: (inner, pid) => traced(inner, sink, { pid }),
  isInherited: true,
});
