import { Effect } from "effect";
import { call } from "./call.ts";
import { type Address, Fd, Pid } from "./identifiers.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/** read(2) */
export const read = (sysif: SyscallInterface, fd: Fd, buffer: Address, length: number) =>
  call(sysif, "read", `fd ${fd}`, fd, buffer, length);

/** write(2) */
export const write = (sysif: SyscallInterface, fd: Fd, buffer: Address, length: number) =>
  call(sysif, "write", `fd ${fd}`, fd, buffer, length);

/** close(2). Never to be repeated: the number is free even when it fails. */
export const close = (sysif: SyscallInterface, fd: Fd) =>
  Effect.asVoid(call(sysif, "close", `fd ${fd}`, fd));

/** dup3(2) */
export const dup3 = (sysif: SyscallInterface, from: Fd, to: Fd, flags: number) =>
  Effect.map(call(sysif, "dup3", `fd ${from}`, from, to, flags), Fd);

/** pipe2(2): writes two 32-bit descriptors, the read end first. */
export const pipe2 = (sysif: SyscallInterface, fds: Address, flags: number) =>
  Effect.asVoid(call(sysif, "pipe2", undefined, fds, flags));

/** lseek(2) */
export const lseek = (sysif: SyscallInterface, fd: Fd, offset: number | bigint, whence: number) =>
  call(sysif, "lseek", `fd ${fd}`, fd, offset, whence);

/** ftruncate(2) */
export const ftruncate = (sysif: SyscallInterface, fd: Fd, length: number | bigint) =>
  Effect.asVoid(call(sysif, "ftruncate", `fd ${fd}`, fd, length));

/** fchmod(2) */
export const fchmod = (sysif: SyscallInterface, fd: Fd, mode: number) =>
  Effect.asVoid(call(sysif, "fchmod", `fd ${fd}`, fd, mode));

/** getpid(2) */
export const getpid = (sysif: SyscallInterface) =>
  Effect.map(call(sysif, "getpid", undefined), Pid);

/** getppid(2): 0 when the parent is outside of the pid namespace. */
export const getppid = (sysif: SyscallInterface) =>
  Effect.map(call(sysif, "getppid", undefined), Pid);

/** geteuid(2) */
export const geteuid = (sysif: SyscallInterface) => call(sysif, "geteuid", undefined);

/** exit_group(2): ends the process. Its success is a SyscallHangup. */
export const exitGroup = (sysif: SyscallInterface, status: number) =>
  call(sysif, "exit_group", undefined, status);

/** readlinkat(2): the result is not NUL-terminated, and cut at `length`. */
export const readlinkat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  buffer: Address,
  length: number,
  subject?: string,
) => call(sysif, "readlinkat", subject, directory, path, buffer, length);

/** symlinkat(2) */
export const symlinkat = (
  sysif: SyscallInterface,
  target: Address,
  directory: Fd | number,
  path: Address,
  subject?: string,
) => Effect.asVoid(call(sysif, "symlinkat", subject, target, directory, path));

/** unlinkat(2) */
export const unlinkat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  flags: number,
  subject?: string,
) => Effect.asVoid(call(sysif, "unlinkat", subject, directory, path, flags));

/** renameat2(2) */
export const renameat2 = (
  sysif: SyscallInterface,
  fromDirectory: Fd | number,
  from: Address,
  toDirectory: Fd | number,
  to: Address,
  flags: number,
  subject?: string,
) => Effect.asVoid(call(sysif, "renameat2", subject, fromDirectory, from, toDirectory, to, flags));

/** faccessat(2), which has no flags: the real ids are checked. */
export const faccessat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  mode: number,
  subject?: string,
) => Effect.asVoid(call(sysif, "faccessat", subject, directory, path, mode));

/** getcwd(2): writes the path with its NUL, and returns its length with it. */
export const getcwd = (sysif: SyscallInterface, buffer: Address, length: number) =>
  call(sysif, "getcwd", undefined, buffer, length);
