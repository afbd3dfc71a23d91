import { call } from "./call.ts";
import { type Address, type Fd, NULL } from "./identifiers.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/** openat(2). `flags` have our values (`O`); the target's are made of them here. */
export const openat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  flags: number,
  mode: number,
  subject?: string,
) => call<Fd>(sysif, "openat", subject, directory, path, sysif.abi.openFlagsToTarget(flags), mode);

/** fcntl(2) */
export const fcntl = (
  sysif: SyscallInterface,
  fd: Fd,
  command: number,
  argument: Word = 0,
  subject = `fd ${fd}`,
) => call(sysif, "fcntl", subject, fd, command, argument);

/** splice(2), without offsets: one of the two is a pipe. Gives how many bytes; 0 at the end. */
export const splice = (sysif: SyscallInterface, from: Fd, to: Fd, length: number, flags: number) =>
  call(sysif, "splice", `fd ${from}`, from, NULL, to, NULL, length, flags);
