import { call, callVoid } from "./call.ts";
import type { Address, Fd, Pid } from "./identifiers.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/** read(2) */
export const read = (sysif: SyscallInterface, fd: Fd, buffer: Address, length: number) =>
  call(sysif, "read", `fd ${fd}`, fd, buffer, length);

/** write(2) */
export const write = (sysif: SyscallInterface, fd: Fd, buffer: Address, length: number) =>
  call(sysif, "write", `fd ${fd}`, fd, buffer, length);

/** close(2). Never to be repeated: the number is free even when it fails. */
export const close = (sysif: SyscallInterface, fd: Fd) => callVoid(sysif, "close", `fd ${fd}`, fd);

/** dup3(2) */
export const dup3 = (sysif: SyscallInterface, from: Fd, to: Fd, flags: number) =>
  call<Fd>(sysif, "dup3", `fd ${from}`, from, to, flags);

/** pipe2(2): writes two 32-bit descriptors, the read end first. */
export const pipe2 = (sysif: SyscallInterface, fds: Address, flags: number) =>
  callVoid(sysif, "pipe2", undefined, fds, flags);

/** lseek(2) */
export const lseek = (sysif: SyscallInterface, fd: Fd, offset: number | bigint, whence: number) =>
  call(sysif, "lseek", `fd ${fd}`, fd, offset, whence);

/** ftruncate(2) */
export const ftruncate = (sysif: SyscallInterface, fd: Fd, length: number | bigint) =>
  callVoid(sysif, "ftruncate", `fd ${fd}`, fd, length);

/** fchmod(2) */
export const fchmod = (sysif: SyscallInterface, fd: Fd, mode: number) =>
  callVoid(sysif, "fchmod", `fd ${fd}`, fd, mode);

/** getpid(2) */
export const getpid = (sysif: SyscallInterface) => call<Pid>(sysif, "getpid", undefined);

/** getppid(2): 0 when the parent is outside of the pid namespace. */
export const getppid = (sysif: SyscallInterface) => call<Pid>(sysif, "getppid", undefined);

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
) => callVoid(sysif, "symlinkat", subject, target, directory, path);

/** linkat(2) */
export const linkat = (
  sysif: SyscallInterface,
  fromDirectory: Fd | number,
  from: Address,
  toDirectory: Fd | number,
  to: Address,
  flags: number,
  subject?: string,
) => callVoid(sysif, "linkat", subject, fromDirectory, from, toDirectory, to, flags);

/** unlinkat(2) */
export const unlinkat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  flags: number,
  subject?: string,
) => callVoid(sysif, "unlinkat", subject, directory, path, flags);

/** renameat(2), which has no flags: what has the new name is replaced. */
export const renameat = (
  sysif: SyscallInterface,
  fromDirectory: Fd | number,
  from: Address,
  toDirectory: Fd | number,
  to: Address,
  subject?: string,
) => callVoid(sysif, "renameat", subject, fromDirectory, from, toDirectory, to);

/** renameat2(2) */
export const renameat2 = (
  sysif: SyscallInterface,
  fromDirectory: Fd | number,
  from: Address,
  toDirectory: Fd | number,
  to: Address,
  flags: number,
  subject?: string,
) => callVoid(sysif, "renameat2", subject, fromDirectory, from, toDirectory, to, flags);

/** faccessat(2), which has no flags: the real ids are checked. */
export const faccessat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  mode: number,
  subject?: string,
) => callVoid(sysif, "faccessat", subject, directory, path, mode);

/** getcwd(2): writes the path with its NUL, and returns its length with it. */
export const getcwd = (sysif: SyscallInterface, buffer: Address, length: number) =>
  call(sysif, "getcwd", undefined, buffer, length);

/** execve(2): comes back only if it fails. Its success is a SyscallHangup. */
export const execve = (
  sysif: SyscallInterface,
  path: Address,
  argv: Address,
  envp: Address,
  subject?: string,
) => callVoid(sysif, "execve", subject, path, argv, envp);

/** execveat(2): as execve, by a path relative to a directory, or with AT.EMPTY_PATH by descriptor. */
export const execveat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  argv: Address,
  envp: Address,
  flags: number,
  subject?: string,
) => callVoid(sysif, "execveat", subject, directory, path, argv, envp, flags);

/** close_range(2), from first to last, both included. */
export const closeRange = (
  sysif: SyscallInterface,
  first: Fd | number,
  last: Fd | number,
  flags: number,
) => callVoid(sysif, "close_range", undefined, first, last, flags);

/** getpgid(2): of this process when pid is 0. */
export const getpgid = (sysif: SyscallInterface, pid: Pid | number) =>
  call<Pid>(sysif, "getpgid", `pid ${pid}`, pid);

/** setpgid(2): 0 stands for this process, and for the process itself as the leader. */
export const setpgid = (sysif: SyscallInterface, pid: Pid | number, pgid: Pid | number) =>
  callVoid(sysif, "setpgid", `pid ${pid}`, pid, pgid);

/** gettid(2) */
export const gettid = (sysif: SyscallInterface) => call<Pid>(sysif, "gettid", undefined);

/** getsid(2): of this process when pid is 0. */
export const getsid = (sysif: SyscallInterface, pid: Pid | number) =>
  call<Pid>(sysif, "getsid", `pid ${pid}`, pid);

/** setsid(2) */
export const setsid = (sysif: SyscallInterface) => call<Pid>(sysif, "setsid", undefined);

/** getuid(2) */
export const getuid = (sysif: SyscallInterface) => call(sysif, "getuid", undefined);

/** getgid(2) */
export const getgid = (sysif: SyscallInterface) => call(sysif, "getgid", undefined);

/** getegid(2) */
export const getegid = (sysif: SyscallInterface) => call(sysif, "getegid", undefined);

/** getresuid(2): writes three 32-bit ids. */
export const getresuid = (
  sysif: SyscallInterface,
  real: Address,
  effective: Address,
  saved: Address,
) => callVoid(sysif, "getresuid", undefined, real, effective, saved);

/** getresgid(2): writes three 32-bit ids. */
export const getresgid = (
  sysif: SyscallInterface,
  real: Address,
  effective: Address,
  saved: Address,
) => callVoid(sysif, "getresgid", undefined, real, effective, saved);

/** setuid(2), of this task alone. */
export const setuid = (sysif: SyscallInterface, uid: number) =>
  callVoid(sysif, "setuid", `uid ${uid}`, uid);

/** setgid(2), of this task alone. */
export const setgid = (sysif: SyscallInterface, gid: number) =>
  callVoid(sysif, "setgid", `gid ${gid}`, gid);

/** setreuid(2), of this task alone; -1 leaves an id as it is. */
export const setreuid = (sysif: SyscallInterface, real: number, effective: number) =>
  callVoid(sysif, "setreuid", undefined, real, effective);

/** setregid(2), of this task alone; -1 leaves an id as it is. */
export const setregid = (sysif: SyscallInterface, real: number, effective: number) =>
  callVoid(sysif, "setregid", undefined, real, effective);

/** setresuid(2), of this task alone; -1 leaves an id as it is. */
export const setresuid = (
  sysif: SyscallInterface,
  real: number,
  effective: number,
  saved: number,
) => callVoid(sysif, "setresuid", undefined, real, effective, saved);

/** setresgid(2), of this task alone; -1 leaves an id as it is. */
export const setresgid = (
  sysif: SyscallInterface,
  real: number,
  effective: number,
  saved: number,
) => callVoid(sysif, "setresgid", undefined, real, effective, saved);

/** getgroups(2): how many 32-bit ids there are, which it writes unless `count` is 0. */
export const getgroups = (sysif: SyscallInterface, count: number, groups: Address) =>
  call(sysif, "getgroups", undefined, count, groups);

/** setgroups(2), of this task alone. */
export const setgroups = (sysif: SyscallInterface, count: number, groups: Address) =>
  callVoid(sysif, "setgroups", undefined, count, groups);

/** chroot(2) */
export const chroot = (sysif: SyscallInterface, path: Address, subject?: string) =>
  callVoid(sysif, "chroot", subject, path);

/** chdir(2) */
export const chdir = (sysif: SyscallInterface, path: Address, subject?: string) =>
  callVoid(sysif, "chdir", subject, path);

/** fchdir(2) */
export const fchdir = (sysif: SyscallInterface, fd: Fd) =>
  callVoid(sysif, "fchdir", `fd ${fd}`, fd);

/** pivot_root(2) */
export const pivotRoot = (
  sysif: SyscallInterface,
  newRoot: Address,
  putOld: Address,
  subject?: string,
) => callVoid(sysif, "pivot_root", subject, newRoot, putOld);

/** sethostname(2), of the UTS namespace. */
export const sethostname = (sysif: SyscallInterface, name: Address, length: number) =>
  callVoid(sysif, "sethostname", undefined, name, length);

/** faccessat2(2); AT.EACCESS among the flags checks the effective ids. */
export const faccessat2 = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  mode: number,
  flags: number,
  subject?: string,
) => callVoid(sysif, "faccessat2", subject, directory, path, mode, flags);

/** pread64, the system call behind pread(2). The offset of the open file stays. */
export const pread = (
  sysif: SyscallInterface,
  fd: Fd,
  buffer: Address,
  length: number,
  offset: number | bigint,
) => call(sysif, "pread64", `fd ${fd}`, fd, buffer, length, offset);

/** pwrite64, the system call behind pwrite(2). With O_APPEND it writes to the end all the same. */
export const pwrite = (
  sysif: SyscallInterface,
  fd: Fd,
  buffer: Address,
  length: number,
  offset: number | bigint,
) => call(sysif, "pwrite64", `fd ${fd}`, fd, buffer, length, offset);

/** fsync(2) */
export const fsync = (sysif: SyscallInterface, fd: Fd) => callVoid(sysif, "fsync", `fd ${fd}`, fd);

/** truncate(2) */
export const truncate = (
  sysif: SyscallInterface,
  path: Address,
  length: number | bigint,
  subject?: string,
) => callVoid(sysif, "truncate", subject, path, length);

/** fchownat(2); -1 leaves an id as it is. */
export const fchownat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  uid: number,
  gid: number,
  flags: number,
  subject?: string,
) => callVoid(sysif, "fchownat", subject, directory, path, uid, gid, flags);

/**
 * copy_file_range(2), from and to addresses of 64-bit offsets, or with NULL those of the open files. 0
 * at the end, and of files that are made up as they are read, such as those in /proc.
 */
export const copyFileRange = (
  sysif: SyscallInterface,
  from: Fd,
  fromOffset: Address,
  to: Fd,
  toOffset: Address,
  length: number,
) => call(sysif, "copy_file_range", `fd ${from}`, from, fromOffset, to, toOffset, length, 0);
