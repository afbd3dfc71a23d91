import { call, callVoid } from "../call.ts";
import type { Address, Fd } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** mmap(2). `length` in bytes, rounded up to pages by the kernel; fd -1 for anonymous memory. */
export const mmap = (
  sysif: SyscallInterface,
  address: Address,
  length: number,
  protection: number,
  flags: number,
  fd: Fd | number,
  offset: number,
) => call<Address>(sysif, "mmap", undefined, address, length, protection, flags, fd, offset);

/** munmap(2) */
export const munmap = (sysif: SyscallInterface, address: Address, length: number) =>
  callVoid(sysif, "munmap", undefined, address, length);

/** madvise(2) */
export const madvise = (
  sysif: SyscallInterface,
  address: Address,
  length: number,
  advice: number,
) => callVoid(sysif, "madvise", undefined, address, length, advice);

/** mprotect(2) */
export const mprotect = (
  sysif: SyscallInterface,
  address: Address,
  length: number,
  protection: number,
) => callVoid(sysif, "mprotect", undefined, address, length, protection);
