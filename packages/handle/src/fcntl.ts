import { AT, FileHandle, Int32, MAX_HANDLE_SZ, O, OpenHow, Uint64 } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { BorrowFailure, MallocFailure } from "./errors.ts";
import { FileDescriptor } from "./FileDescriptor.ts";
import { encoded } from "./internal/checked.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/**
 * open(2), always close-on-exec. `mode` holds for files that it creates. Only the kernel knows what kind of file
 * it is: see `Socket.from` and the like.
 */
export const open = (
  { task }: TaskLike,
  path: near.PathLike,
  flags: number,
  mode = 0o666,
): Effect.Effect<FileDescriptor, MallocFailure, Scope.Scope> =>
  FileDescriptor.acquire(
    FileDescriptor,
    task,
    task.withPath("openat", path, (address) =>
      near.openat(task.sysif, AT.FDCWD, address, near.withFlags(flags, O.CLOEXEC), mode),
    ),
  );

/** How {@link openat2} opens a file. */
export interface OpenHowOptions {
  /** Of `O`. Default: `O.RDONLY`. Unlike open(2), EINVAL for flags that the kernel does not know. */
  readonly flags?: number;
  /** The permissions of a file that is created. Default 0o666 with `O.CREAT` or `O.TMPFILE`. */
  readonly mode?: number;
  /** Of `RESOLVE`: where the path may lead. */
  readonly resolve?: number;
  /** Where a relative path begins. Default: the working directory. */
  readonly directory?: FileDescriptor;
}

/**
 * openat2(2), always close-on-exec: opens a file whose path may come from another user, and must not lead out of a
 * directory: `RESOLVE`. EXDEV or ELOOP if it does; EAGAIN if a rename elsewhere kept the kernel from being sure: try
 * again.
 */
export const openat2 = (
  { task }: TaskLike,
  path: near.PathLike,
  how: OpenHowOptions = {},
): Effect.Effect<FileDescriptor, MallocFailure | BorrowFailure, Scope.Scope> =>
  FileDescriptor.acquire(
    FileDescriptor,
    task,
    Effect.flatMap(startOf(task, how.directory), (directory) =>
      Effect.flatMap(openHow(task, how), (bytes) =>
        task.withPath("openat2", path, (address) =>
          task.withBytes(
            bytes,
            (at) => near.openat2(task.sysif, directory, address, at, OpenHow.size),
            OpenHow.alignment,
          ),
        ),
      ),
    ),
  );

/** The directory where a relative path begins. */
const startOf = (
  task: Task,
  directory: FileDescriptor | undefined,
): Effect.Effect<near.DirectoryFd, BorrowFailure> =>
  directory === undefined ? Effect.succeed(AT.FDCWD) : directory.borrow(task);

const openHow = (
  task: Task,
  { flags = O.RDONLY, mode, resolve = 0 }: OpenHowOptions,
): Effect.Effect<Uint8Array, near.InvalidArgumentError> => {
  const given = near.withFlags(flags, O.CLOEXEC);
  // The kernel refuses a mode that has no meaning.
  const creates = given & O.CREAT || (given & O.TMPFILE) === O.TMPFILE;
  const wrong = [
    { argument: "flags", value: flags },
    { argument: "mode", value: mode ?? 0 },
    { argument: "resolve", value: resolve },
  ].find(({ value }) => !Number.isSafeInteger(value) || value < -(2 ** 31) || value >= 2 ** 32);
  if (wrong !== undefined)
    return Effect.fail(
      new near.InvalidArgumentError({
        syscall: "openat2",
        ...wrong,
        expected: "a set of bits, of 32 bits",
      }),
    );
  return encoded("openat2", "how", OpenHow, {
    flags: BigInt(task.abi.openFlagsToTarget(given) >>> 0),
    mode: BigInt((mode ?? (creates ? 0o666 : 0)) >>> 0),
    resolve: BigInt(resolve >>> 0),
  });
};

/** A file as name_to_handle_at(2) knows it. */
export interface FileId {
  /** The file, for open_by_handle_at(2), also in another process and after its names have changed. */
  readonly handle: FileHandle;
  /** The mount: its number in /proc/self/mountinfo, or with AT.HANDLE_MNT_ID_UNIQUE that of statx(2). */
  readonly mountId: number | bigint;
}

/**
 * name_to_handle_at(2): a handle of the file that the file system understands. EOPNOTSUPP if it makes none.
 *
 * @param flags of `AT`: SYMLINK_FOLLOW, EMPTY_PATH for the directory itself, HANDLE_FID and the like
 * @param directory where a relative path begins. Default: the working directory.
 */
export const nameToHandleAt = (
  { task }: TaskLike,
  path: near.PathLike,
  flags = 0,
  directory?: FileDescriptor,
): Effect.Effect<FileId, MallocFailure | BorrowFailure> =>
  Effect.flatMap(startOf(task, directory), (fd) =>
    task.withPath("name_to_handle_at", path, (address) =>
      task.withBytes(
        encodedRoom,
        (handle) => {
          const mount = near.Address(handle + MOUNT);
          const call = near.nameToHandleAt(task.sysif, fd, address, handle, mount, flags);
          return Effect.flatMap(
            near.batchThen([call], task.sysif.read(handle, MOUNT + Uint64.size)),
            ([, bytes]) =>
              near.decoded("name_to_handle_at", call.subject, () => ({
                handle: FileHandle.decode(bytes),
                mountId:
                  flags & AT.HANDLE_MNT_ID_UNIQUE
                    ? Uint64.decode(bytes.subarray(MOUNT))
                    : Int32.decode(bytes.subarray(MOUNT)),
              })),
          );
        },
        Uint64.alignment,
      ),
    ),
  );

/** Where the number of the mount lies, behind the handle. */
const MOUNT = FileHandle.size;

/** Room for the longest handle, and for the number of the mount. */
const encodedRoom = new Uint8Array(MOUNT + Uint64.size);
FileHandle.encode({ type: 0, bytes: new Uint8Array(MAX_HANDLE_SZ) }, encodedRoom);

/**
 * open_by_handle_at(2): opens the file of a handle, close-on-exec. It takes CAP_DAC_READ_SEARCH. ESTALE if the file
 * is gone.
 *
 * @param mount any descriptor of the file system that made the handle
 */
export const openByHandleAt = (
  mount: FileDescriptor,
  handle: FileHandle,
  flags: number = O.RDONLY,
): Effect.Effect<FileDescriptor, MallocFailure | BorrowFailure, Scope.Scope> => {
  const { task } = mount;
  return FileDescriptor.acquire(
    FileDescriptor,
    task,
    Effect.flatMap(mount.borrow(task), (fd) =>
      Effect.flatMap(encoded("open_by_handle_at", "handle", FileHandle, handle), (bytes) =>
        task.withBytes(
          bytes,
          (at) => near.openByHandleAt(task.sysif, fd, at, near.withFlags(flags, O.CLOEXEC)),
          FileHandle.alignment,
        ),
      ),
    ),
  );
};
