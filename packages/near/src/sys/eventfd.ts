import { call } from "../call.ts";
import type { Fd } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** eventfd2, the system call behind eventfd(2). */
export const eventfd = (sysif: SyscallInterface, initial: number, flags: number) =>
  call<Fd>(sysif, "eventfd2", undefined, initial, flags);
