import {
  AT,
  listOf,
  major,
  minor,
  STATX,
  type Stat,
  Statx,
  type StatxTimestamp,
  Timespec,
} from "@rsyscall/abi";
import {
  type Address,
  type DirectoryFd,
  fchmodat,
  fstatat,
  mkdirat,
  mknodat,
  NULL,
  orOlder,
  type PathLike,
  pathBytes,
  type SyscallFailure,
  umask as setUmask,
  statx as statxAt,
  utimensat,
} from "@rsyscall/near";
import { Effect } from "effect";
import type { BorrowFailure, MallocFailure } from "../errors.ts";
import type { FileDescriptor } from "../FileDescriptor.ts";
import { argument, checked, int, type Rule } from "../internal/checked.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";

/** stat(2), or lstat(2) with AT.SYMLINK_NOFOLLOW. */
export const stat = (
  { task }: TaskLike,
  path: PathLike,
  flags = 0,
): Effect.Effect<Stat, MallocFailure> =>
  task.withPath("newfstatat", path, (address) =>
    task.withResult(task.abi.stat, (status) =>
      fstatat(task.sysif, AT.FDCWD, address, status, flags),
    ),
  );

/**
 * statx(2): as stat(2), with the time when the file was made; as lstat(2) with AT.SYMLINK_NOFOLLOW. If a seccomp
 * profile refuses it, the result has only what stat(2) gives: its `mask` says so.
 *
 * @param mask of `STATX`
 */
export const statx = (
  { task }: TaskLike,
  path: PathLike,
  flags = 0,
  mask: number = STATX.BASIC_STATS | STATX.BTIME,
): Effect.Effect<Statx, MallocFailure> =>
  task.withPath("statx", path, (address) => statxOrStat(task, AT.FDCWD, address, flags, mask));

/** statx(2) of an open file. */
export const fstatx = (
  fd: FileDescriptor,
  mask: number = STATX.BASIC_STATS | STATX.BTIME,
): Effect.Effect<Statx, MallocFailure | BorrowFailure> => {
  const { task } = fd;
  return Effect.flatMap(fd.borrow(task), (number) =>
    task.withBytes(pathBytes("\0"), (empty) =>
      statxOrStat(task, number, empty, AT.EMPTY_PATH, mask),
    ),
  );
};

/**
 * statx(2), or fstatat(2) if that is refused. fstatat(2) gives less, and takes no `AT.STATX_FORCE_SYNC` and the
 * like.
 */
const statxOrStat = (
  task: Task,
  directory: DirectoryFd,
  path: Address,
  flags: number,
  mask: number,
): Effect.Effect<Statx, MallocFailure> => {
  const { sysif, abi } = task;
  return task
    .withResult(Statx, (status) => statxAt(sysif, directory, path, flags, mask, status))
    .pipe(
      orOlder(sysif, "statx", (refusal) =>
        flags & AT.STATX_SYNC_TYPE
          ? Effect.fail(refusal)
          : Effect.map(
              task.withResult(abi.stat, (status) => fstatat(sysif, directory, path, status, flags)),
              toStatx,
            ),
      ),
    );
};

const timestamp = ({ seconds, nanoseconds }: Timespec): StatxTimestamp => ({
  seconds: BigInt(seconds),
  nanoseconds,
});

/** Converts a result of stat(2) to one of statx(2), whose mask says which fields are known. */
const toStatx = (status: Stat): Statx => ({
  mask: STATX.BASIC_STATS,
  blksize: status.blksize,
  attributes: 0n,
  nlink: status.nlink,
  uid: status.uid,
  gid: status.gid,
  mode: status.mode,
  ino: status.ino,
  size: BigInt(status.size),
  blocks: BigInt(status.blocks),
  attributesMask: 0n,
  atime: timestamp(status.atime),
  btime: { seconds: 0n, nanoseconds: 0 },
  ctime: timestamp(status.ctime),
  mtime: timestamp(status.mtime),
  rdevMajor: major(status.rdev),
  rdevMinor: minor(status.rdev),
  devMajor: major(status.dev),
  devMinor: minor(status.dev),
  mntId: 0n,
  dioMemAlign: 0,
  dioOffsetAlign: 0,
  subvol: 0n,
  atomicWriteUnitMin: 0,
  atomicWriteUnitMax: 0,
  atomicWriteSegmentsMax: 0,
  dioReadOffsetAlign: 0,
  atomicWriteUnitMaxOpt: 0,
});

const times = listOf(Timespec);

/** A time, or one of `UTIME`, as the kernel takes it. */
const timeOrUtime: Rule<Timespec> = {
  expected: "whole seconds, with whole nanoseconds from 0 to 999999999 or one of UTIME",
  has: (time) =>
    Number.isSafeInteger(time?.seconds) && int.has(time.nanoseconds) && time.nanoseconds >= 0,
};

/** When a file was last read, and last written. Nanoseconds may be of `UTIME`. */
export interface FileTimes {
  /** When the content was last read. */
  readonly atime: Timespec;
  /** When the content was last written. */
  readonly mtime: Timespec;
}

/** Makes utimensat(2) with times, or with NULL for the current time. */
export const withTimes = (
  task: Task,
  time: FileTimes | undefined,
  set: (times: Address) => Effect.Effect<void, MallocFailure>,
): Effect.Effect<void, MallocFailure> =>
  time === undefined
    ? set(NULL)
    : checked(
        "utimensat",
        [argument("atime", time.atime, timeOrUtime), argument("mtime", time.mtime, timeOrUtime)],
        Effect.suspend(() => task.withValue(times, [time.atime, time.mtime], set)),
      );

/**
 * utimensat(2): sets when the file was last read, and last written; with AT.SYMLINK_NOFOLLOW, of a link itself.
 * Nanoseconds may be of `UTIME`. Without times, sets both to the current time.
 */
export const utimens = (
  { task }: TaskLike,
  path: PathLike,
  time?: FileTimes,
  flags = 0,
): Effect.Effect<void, MallocFailure> =>
  withTimes(task, time, (address) =>
    task.withPath("utimensat", path, (name) =>
      utimensat(task.sysif, AT.FDCWD, name, address, flags),
    ),
  );

/** The number of a device, which the kernel takes as 32 bits. */
const deviceNumber: Rule<number | bigint> = {
  expected:
    "a device number of `makedev`, with a major number below 4096 and a minor one below 2^20",
  has: (value) =>
    (typeof value === "bigint" || Number.isSafeInteger(value)) && value >= 0 && value < 2 ** 32,
};

/** mknodat(2) in any directory. */
export const mknodAt = (
  task: Task,
  directory: DirectoryFd,
  path: Address,
  mode: number,
  device: number | bigint,
): Effect.Effect<void, SyscallFailure> =>
  checked(
    "mknodat",
    [argument("device", device, deviceNumber)],
    Effect.suspend(() => mknodat(task.sysif, directory, path, mode, Number(device))),
  );

/**
 * mknod(2): makes a file of any kind but a directory or a link: a FIFO, a socket, an empty file; or a device, which
 * takes CAP_MKNOD. The process's umask clears bits of the mode.
 *
 * @param mode a type of `S_IF`, and permissions
 * @param device of a device file: see `makedev`
 */
export const mknod = (
  { task }: TaskLike,
  path: PathLike,
  mode: number,
  device: number | bigint = 0,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("mknodat", path, (address) => mknodAt(task, AT.FDCWD, address, mode, device));

/** mkdir(2). The process's umask clears bits of the mode. */
export const mkdir = (
  { task }: TaskLike,
  path: PathLike,
  mode = 0o777,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("mkdirat", path, (address) => mkdirat(task.sysif, AT.FDCWD, address, mode));

/** chmod(2): sets exactly this mode; the umask does not apply. */
export const chmod = (
  { task }: TaskLike,
  path: PathLike,
  mode: number,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("fchmodat", path, (address) => fchmodat(task.sysif, AT.FDCWD, address, mode));

/**
 * umask(2): sets the permissions that new files do not get, for the task and all tasks that share its directory
 * with it (CLONE.FS: all threads of a process). Returns the previous ones.
 */
export const umask = ({ task }: TaskLike, mask: number): Effect.Effect<number, SyscallFailure> =>
  setUmask(task.sysif, mask);
