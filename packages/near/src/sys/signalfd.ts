import { call } from "../call.ts";
import type { Address, Fd } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** signalfd4, the system call behind signalfd(2): a new descriptor for -1. */
export const signalfd = (sysif: SyscallInterface, fd: Fd | number, mask: Address, flags: number) =>
  call<Fd>(sysif, "signalfd4", `fd ${fd}`, fd, mask, 8, flags);
