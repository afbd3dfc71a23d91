import type { Pid, SyscallInterface } from "@rsyscall/near";
import type { AddressSpace } from "./AddressSpace.ts";
import type { FdTable } from "./FdTable.ts";
import type { Namespaces } from "./Namespace.ts";

/** A kernel task that we control: a way to make system calls in it, and what its numbers mean. */
export interface Task {
  /** Makes the task's system calls. */
  readonly sysif: SyscallInterface;
  /** Its pid in its own pid namespace. */
  readonly pid: Pid;
  /** The table in which the task's descriptors are valid. */
  readonly fdTable: FdTable;
  /** The memory in which the task's pointers are valid. */
  readonly addressSpace: AddressSpace;
  /** The namespaces that the task is in. */
  readonly namespaces: Namespaces;
}
