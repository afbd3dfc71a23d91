import { OP_CLONE } from "@rsyscall/wire";
import { cloneOperation } from "./definitions.ts";
import { type Address, Pid } from "./identifiers.ts";
import { Syscall } from "./Syscall.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/**
 * clone3(2), or clone(2) where that is refused: a child that shares the memory of the task, has a
 * stack of its own, and serves system calls there.
 *
 * @param args a `struct clone_args`
 * @param child a `struct rsyscall_child`, which must stay in place as long as the child serves
 * @param subject what errors say of it: its flags
 */
export const clone = (
  sysif: SyscallInterface,
  args: Address,
  child: Address,
  subject?: string,
): Syscall<Pid> => new Syscall(sysif, cloneOperation, subject, Pid, OP_CLONE, args, child);
