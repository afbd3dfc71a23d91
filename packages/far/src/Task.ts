import type { Pid, SyscallInterface } from "@rsyscall/near";
import type { AddressSpace } from "./AddressSpace.ts";
import type { FdTable } from "./FdTable.ts";
import type { Namespaces } from "./Namespace.ts";

/** A kernel task that we control: a way to make system calls in it, and what its numbers mean. */
export interface Task {
  readonly sysif: SyscallInterface;
  /** Its pid in its own pid namespace. */
  readonly pid: Pid;
  readonly fdTable: FdTable;
  readonly addressSpace: AddressSpace;
  readonly namespaces: Namespaces;
}
