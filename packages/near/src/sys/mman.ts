import { Effect } from "effect";
import { call } from "../call.ts";
import { Address, type Fd } from "../identifiers.ts";
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
) =>
  Effect.map(
    call(sysif, "mmap", undefined, address, length, protection, flags, fd, offset),
    Address,
  );

/** munmap(2) */
export const munmap = (sysif: SyscallInterface, address: Address, length: number) =>
  Effect.asVoid(call(sysif, "munmap", undefined, address, length));

/** madvise(2) */
export const madvise = (
  sysif: SyscallInterface,
  address: Address,
  length: number,
  advice: number,
) => Effect.asVoid(call(sysif, "madvise", undefined, address, length, advice));

/** mprotect(2) */
export const mprotect = (
  sysif: SyscallInterface,
  address: Address,
  length: number,
  protection: number,
) => Effect.asVoid(call(sysif, "mprotect", undefined, address, length, protection));
