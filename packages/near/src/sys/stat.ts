import { call, callVoid } from "../call.ts";
import type { Address, Fd } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** fstat(2): the layout is `abi.stat` of the task. */
export const fstat = (sysif: SyscallInterface, fd: Fd, status: Address) =>
  callVoid(sysif, "fstat", `fd ${fd}`, fd, status);

/** newfstatat, the system call behind fstatat(2). */
export const fstatat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  status: Address,
  flags: number,
  subject?: string,
) => callVoid(sysif, "newfstatat", subject, directory, path, status, flags);

/** mkdirat(2) */
export const mkdirat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  mode: number,
  subject?: string,
) => callVoid(sysif, "mkdirat", subject, directory, path, mode);

/** fchmodat(2), which has no flags: links are followed. */
export const fchmodat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  mode: number,
  subject?: string,
) => callVoid(sysif, "fchmodat", subject, directory, path, mode);

/** fchmodat2(2), with flags; exists from Linux 6.6 on. */
export const fchmodat2 = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  mode: number,
  flags: number,
  subject?: string,
) => callVoid(sysif, "fchmodat2", subject, directory, path, mode, flags);

/** umask(2): gives the mask before. */
export const umask = (sysif: SyscallInterface, mask: number) =>
  call(sysif, "umask", undefined, mask);

/** statx(2): what `mask` asks for (`STATX`), and what else there is at no cost. */
export const statx = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  flags: number,
  mask: number,
  status: Address,
  subject?: string,
) => callVoid(sysif, "statx", subject, directory, path, flags, mask, status);

/** utimensat(2): two timespecs, of the last access and the last change; with NULL both are now. */
export const utimensat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  times: Address,
  flags: number,
  subject?: string,
) => callVoid(sysif, "utimensat", subject, directory, path, times, flags);
