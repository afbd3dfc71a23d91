import { ACCESS, AT, CLOSE_RANGE, Int64, RENAME, SEEK, Uint32 } from "@rsyscall/abi";
import { define } from "./define.ts";
import type { Address, DirectoryFd, Fd, Pid, PidLike } from "./identifiers.ts";
import {
  directory,
  fd,
  fileSize,
  flags,
  gid,
  inout,
  input,
  int,
  offset,
  oneOf,
  openFlags,
  output,
  path,
  pid,
  size,
  smallSize,
  uid,
  uint,
} from "./kinds.ts";
import { array, bytes, strings, twoFds, value } from "./Memory.ts";
import { between, countOf, newFd, nothing, someId, someOffset, somePid } from "./Result.ts";
import { fdOfEmptyPath } from "./SyscallDefinition.ts";

const { EACCESS, EMPTY_PATH, REMOVEDIR, SYMLINK_FOLLOW, SYMLINK_NOFOLLOW } = AT;

const accessMode = flags("", { F_OK: ACCESS.F, R_OK: ACCESS.R, W_OK: ACCESS.W, X_OK: ACCESS.X }).as(
  "mode",
);
const outputId = (label: string) => output(value(Uint32), label);

/** read(2) */
export const read = define<[fd: Fd, buffer: Address, length: number], number>(
  "read",
  [fd, output(bytes(2), "buffer"), size],
  countOf(2),
  { restarts: true },
);

/** write(2) */
export const write = define<[fd: Fd, buffer: Address, length: number], number>(
  "write",
  [fd, input(bytes(2), "buffer"), size],
  countOf(2),
  { restarts: true },
);

/** pread64, the system call behind pread(2). It does not move the offset of the open file. */
export const pread = define<
  [fd: Fd, buffer: Address, length: number, offset: number | bigint],
  number
>("pread64", [fd, output(bytes(2), "buffer"), size, offset], countOf(2), { restarts: true });

/** pwrite64, the system call behind pwrite(2). With O_APPEND it ignores the offset and writes to the end. */
export const pwrite = define<
  [fd: Fd, buffer: Address, length: number, offset: number | bigint],
  number
>("pwrite64", [fd, input(bytes(2), "buffer"), size, offset], countOf(2), { restarts: true });

/**
 * close(2). The caller must not repeat it: the number is free even if it fails. Not prompt: it may close the last
 * descriptor of a file, which flushes it or waits for SO_LINGER.
 */
export const close = define<[fd: Fd], void>("close", [fd], nothing);

/** close_range(2), from first to last, both included. */
export const closeRange = define<[first: number, last: number, flags: number], void>(
  "close_range",
  [uint.as("first"), uint.as("last"), flags("CLOSE_RANGE_", CLOSE_RANGE)],
  nothing,
);

/** dup(2): gives the lowest free number, without FD_CLOEXEC. */
export const dup = define<[fd: Fd], Fd>("dup", [fd], newFd, { prompt: true });

/** dup3(2). Not prompt: like close(2) it may close the last descriptor of a file. */
export const dup3 = define<[from: Fd, to: Fd, flags: number], Fd>(
  "dup3",
  [fd.as("from"), fd.as("to"), openFlags],
  newFd,
);

/** pipe2(2): writes two 32-bit descriptors, the read end first. */
export const pipe2 = define<[fds: Address, flags: number], void>(
  "pipe2",
  [output(twoFds, "fds"), openFlags],
  nothing,
  { prompt: true },
);

/** lseek(2) */
export const lseek = define<[fd: Fd, offset: number | bigint, whence: number], number>(
  "lseek",
  [fd, offset, oneOf("SEEK_", SEEK, "whence")],
  someOffset,
);

/** fsync(2) */
export const fsync = define<[fd: Fd], void>("fsync", [fd], nothing, { restarts: true });

/** ftruncate(2) */
export const ftruncate = define<[fd: Fd, length: number | bigint], void>(
  "ftruncate",
  [fd, fileSize],
  nothing,
  { restarts: true },
);

/** truncate(2) */
export const truncate = define<[path: Address, length: number | bigint], void>(
  "truncate",
  [path, fileSize],
  nothing,
);

/** fchownat(2); -1 leaves an id as it is. */
export const fchownat = define<
  [directory: DirectoryFd, path: Address, uid: number, gid: number, flags: number],
  void
>(
  "fchownat",
  [directory, path, uid, gid, flags("AT_", { SYMLINK_NOFOLLOW, EMPTY_PATH })],
  nothing,
  { about: fdOfEmptyPath(4) },
);

/** readlinkat(2): the result has no NUL at its end, and is cut at `length`. */
export const readlinkat = define<
  [directory: DirectoryFd, path: Address, buffer: Address, length: number],
  number
>("readlinkat", [directory, path, output(bytes(3), "buffer"), smallSize], countOf(3));

/** symlinkat(2) */
export const symlinkat = define<[target: Address, directory: DirectoryFd, path: Address], void>(
  "symlinkat",
  [path.as("target"), directory, path],
  nothing,
);

/** linkat(2) */
export const linkat = define<
  [fromDirectory: DirectoryFd, from: Address, toDirectory: DirectoryFd, to: Address, flags: number],
  void
>(
  "linkat",
  [
    directory.as("fromDirectory"),
    path.as("from"),
    directory.as("toDirectory"),
    path.as("to"),
    flags("AT_", { SYMLINK_FOLLOW, EMPTY_PATH }),
  ],
  nothing,
);

/** unlinkat(2) */
export const unlinkat = define<[directory: DirectoryFd, path: Address, flags: number], void>(
  "unlinkat",
  [directory, path, flags("AT_", { REMOVEDIR })],
  nothing,
);

/** renameat(2), which has no flags: it replaces an existing file. */
export const renameat = define<
  [fromDirectory: DirectoryFd, from: Address, toDirectory: DirectoryFd, to: Address],
  void
>(
  "renameat",
  [directory.as("fromDirectory"), path.as("from"), directory.as("toDirectory"), path.as("to")],
  nothing,
);

/** renameat2(2) */
export const renameat2 = define<
  [fromDirectory: DirectoryFd, from: Address, toDirectory: DirectoryFd, to: Address, flags: number],
  void
>(
  "renameat2",
  [
    directory.as("fromDirectory"),
    path.as("from"),
    directory.as("toDirectory"),
    path.as("to"),
    flags("RENAME_", RENAME),
  ],
  nothing,
);

/** faccessat(2), which has no flags: it checks the real ids. */
export const faccessat = define<[directory: DirectoryFd, path: Address, mode: number], void>(
  "faccessat",
  [directory, path, accessMode],
  nothing,
);

/** faccessat2(2); with AT.EACCESS it checks the effective ids. */
export const faccessat2 = define<
  [directory: DirectoryFd, path: Address, mode: number, flags: number],
  void
>(
  "faccessat2",
  [directory, path, accessMode, flags("AT_", { EACCESS, SYMLINK_NOFOLLOW, EMPTY_PATH })],
  nothing,
  { about: fdOfEmptyPath(3) },
);

/** getcwd(2): writes the path and a NUL, and gives the length with the NUL. */
export const getcwd = define<[buffer: Address, length: number], number>(
  "getcwd",
  [output(bytes(1), "buffer"), size],
  countOf(1),
);

/** chdir(2) */
export const chdir = define<[path: Address], void>("chdir", [path], nothing);

/** fchdir(2) */
export const fchdir = define<[fd: Fd], void>("fchdir", [fd], nothing);

/** chroot(2) */
export const chroot = define<[path: Address], void>("chroot", [path], nothing);

/** pivot_root(2) */
export const pivotRoot = define<[newRoot: Address, putOld: Address], void>(
  "pivot_root",
  [path.as("newRoot"), path.as("putOld")],
  nothing,
);

/** sethostname(2), of the UTS namespace. */
export const sethostname = define<[name: Address, length: number], void>(
  "sethostname",
  [input(bytes(1), "name"), smallSize],
  nothing,
);

/** execve(2): returns only if it fails. It succeeds with a SyscallHangup. */
export const execve = define<[path: Address, argv: Address, envp: Address], void>(
  "execve",
  [path, input(strings, "argv"), input(strings, "envp")],
  nothing,
);

/** execveat(2): as execve, by a path relative to a directory, or by descriptor with AT.EMPTY_PATH. */
export const execveat = define<
  [directory: DirectoryFd, path: Address, argv: Address, envp: Address, flags: number],
  void
>(
  "execveat",
  [
    directory,
    path,
    input(strings, "argv"),
    input(strings, "envp"),
    flags("AT_", { EMPTY_PATH, SYMLINK_NOFOLLOW }),
  ],
  nothing,
);

/** exit_group(2): ends the process. It succeeds with a SyscallHangup. */
export const exitGroup = define<[status: number], number>(
  "exit_group",
  [int.as("status")],
  between(0, 0),
);

/** getpid(2) */
export const getpid = define<[], Pid>("getpid", [], somePid, { prompt: true });

/** getppid(2): gives 0 if the parent is outside of the pid namespace. */
export const getppid = define<[], Pid>("getppid", [], somePid, { prompt: true });

/** gettid(2) */
export const gettid = define<[], Pid>("gettid", [], somePid, { prompt: true });

/** getpgid(2): for this process if pid is 0. */
export const getpgid = define<[pid: PidLike], Pid>("getpgid", [pid], somePid, { prompt: true });

/** setpgid(2): a pid of 0 is this process; a pgid of 0 makes the process the leader of its own group. */
export const setpgid = define<[pid: PidLike, pgid: PidLike], void>(
  "setpgid",
  [pid, pid.as("pgid")],
  nothing,
);

/** getsid(2): for this process if pid is 0. */
export const getsid = define<[pid: PidLike], Pid>("getsid", [pid], somePid, { prompt: true });

/** setsid(2) */
export const setsid = define<[], Pid>("setsid", [], somePid);

/** getuid(2) */
export const getuid = define<[], number>("getuid", [], someId, { prompt: true });

/** geteuid(2) */
export const geteuid = define<[], number>("geteuid", [], someId, { prompt: true });

/** getgid(2) */
export const getgid = define<[], number>("getgid", [], someId, { prompt: true });

/** getegid(2) */
export const getegid = define<[], number>("getegid", [], someId, { prompt: true });

/** getresuid(2): writes three 32-bit ids. */
export const getresuid = define<[real: Address, effective: Address, saved: Address], void>(
  "getresuid",
  [outputId("real"), outputId("effective"), outputId("saved")],
  nothing,
  { prompt: true },
);

/** getresgid(2): writes three 32-bit ids. */
export const getresgid = define<[real: Address, effective: Address, saved: Address], void>(
  "getresgid",
  [outputId("real"), outputId("effective"), outputId("saved")],
  nothing,
  { prompt: true },
);

/** setuid(2), for this task only. */
export const setuid = define<[uid: number], void>("setuid", [uid], nothing);

/** setgid(2), for this task only. */
export const setgid = define<[gid: number], void>("setgid", [gid], nothing);

/** setreuid(2), for this task only; -1 leaves an id as it is. */
export const setreuid = define<[real: number, effective: number], void>(
  "setreuid",
  [uid.as("real"), uid.as("effective")],
  nothing,
);

/** setregid(2), for this task only; -1 leaves an id as it is. */
export const setregid = define<[real: number, effective: number], void>(
  "setregid",
  [gid.as("real"), gid.as("effective")],
  nothing,
);

/** setresuid(2), for this task only; -1 leaves an id as it is. */
export const setresuid = define<[real: number, effective: number, saved: number], void>(
  "setresuid",
  [uid.as("real"), uid.as("effective"), uid.as("saved")],
  nothing,
);

/** setresgid(2), for this task only; -1 leaves an id as it is. */
export const setresgid = define<[real: number, effective: number, saved: number], void>(
  "setresgid",
  [gid.as("real"), gid.as("effective"), gid.as("saved")],
  nothing,
);

/** getgroups(2): gives the number of 32-bit ids, and writes them unless `count` is 0. */
export const getgroups = define<[count: number, groups: Address], number>(
  "getgroups",
  [smallSize.as("count"), output(array(Uint32, 0), "groups")],
  // NGROUPS_MAX, also for a count of 0, which only asks for the number.
  between(0, 65536),
  { prompt: true },
);

/** setgroups(2), for this task only. */
export const setgroups = define<[count: number, groups: Address], void>(
  "setgroups",
  [smallSize.as("count"), input(array(Uint32, 0), "groups")],
  nothing,
);

/**
 * copy_file_range(2), with addresses of 64-bit offsets, or NULL to use the offsets of the open files. Gives 0 at
 * the end, and for files that the kernel generates when they are read, such as those in /proc.
 */
export const copyFileRange = define<
  [from: Fd, fromOffset: Address, to: Fd, toOffset: Address, length: number, flags: number],
  number
>(
  "copy_file_range",
  [
    fd.as("from"),
    inout(value(Int64), "fromOffset"),
    fd.as("to"),
    inout(value(Int64), "toOffset"),
    size,
    flags(),
  ],
  countOf(4),
);

/** fdatasync(2) */
export const fdatasync = define<[fd: Fd], void>("fdatasync", [fd], nothing, { restarts: true });

/** sync(2): for all file systems. */
export const sync = define<[], void>("sync", [], nothing);

/** syncfs(2): for the file system of the descriptor. */
export const syncfs = define<[fd: Fd], void>("syncfs", [fd], nothing);

/** fchown(2); -1 leaves an id as it is. */
export const fchown = define<[fd: Fd, uid: number, gid: number], void>(
  "fchown",
  [fd, uid, gid],
  nothing,
);

/** setdomainname(2), of the UTS namespace. */
export const setdomainname = define<[name: Address, length: number], void>(
  "setdomainname",
  [input(bytes(1), "name"), smallSize],
  nothing,
);

/** setfsuid(2), for this task only: gives the previous id. */
export const setfsuid = define<[uid: number], number>("setfsuid", [uid], someId);

/** setfsgid(2), for this task only: gives the previous id. */
export const setfsgid = define<[gid: number], number>("setfsgid", [gid], someId);

/** _exit(2), for this task only: other threads of the process go on. It succeeds with a SyscallHangup. */
export const exit = define<[status: number], number>("exit", [int.as("status")], between(0, 0));
