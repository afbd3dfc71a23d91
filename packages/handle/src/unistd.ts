import { ACCESS, AT, F, fsDecode, O } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { BorrowFailure, MallocFailure } from "./errors.ts";
import { FileDescriptor } from "./FileDescriptor.ts";
import { argument, size as byteSize, checked, id, type Rule } from "./internal/checked.ts";
import { decodeFds } from "./internal/decodeFds.ts";
import { renameAt } from "./internal/renameAt.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/** Whether a descriptor is a pipe or FIFO: for all others F_GETPIPE_SZ is EBADF. */
const confirmPipe = (task: Task, fd: near.Fd): Effect.Effect<boolean, near.SyscallFailure> =>
  near.fcntl(task.sysif, fd, F.GETPIPE_SZ, 0).pipe(
    Effect.as(true),
    near.catchErrno("EBADF", () => Effect.succeed(false)),
  );

/** The read end of a pipe. */
export class PipeReader extends FileDescriptor {
  /** The name of the kind in errors. */
  static readonly kind = "pipe";
  /** Asks the kernel whether a descriptor is one of a pipe. See `FileDescriptor.narrow`. */
  static readonly confirm = confirmPipe;

  /** Makes this type differ from all others. */
  readonly pipeEnd = "read";
}

/** The write end of a pipe. */
export class PipeWriter extends FileDescriptor {
  /** The name of the kind in errors. */
  static readonly kind = "pipe";
  /** Asks the kernel whether a descriptor is one of a pipe. See `FileDescriptor.narrow`. */
  static readonly confirm = confirmPipe;

  /** Makes this type differ from all others. */
  readonly pipeEnd = "write";
}

/** pipe2(2), close-on-exec. `flags` may have O.NONBLOCK. */
export const pipe = (
  { task }: TaskLike,
  flags = 0,
): Effect.Effect<[PipeReader, PipeWriter], MallocFailure, Scope.Scope> =>
  near.acquire(
    Effect.flatMap(
      task.withMemory(8, 4, (fds) =>
        Effect.andThen(
          near.pipe2(task.sysif, fds, task.abi.openFlagsToTarget(near.withFlags(flags, O.CLOEXEC))),
          task.sysif.read(fds, 8),
        ),
      ),
      (bytes) =>
        near.decoded("pipe2", undefined, (): [PipeReader, PipeWriter] => {
          const [read, write] = decodeFds(bytes) as [near.Fd, near.Fd];
          return [
            FileDescriptor.opened(PipeReader, task, read),
            FileDescriptor.opened(PipeWriter, task, write),
          ];
        }),
    ),
    FileDescriptor.releaseAll,
  );

/** unlink(2) */
export const unlink = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("unlinkat", path, (address) => near.unlinkat(task.sysif, AT.FDCWD, address, 0));

/** rmdir(2) */
export const rmdir = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("unlinkat", path, (address) =>
    near.unlinkat(task.sysif, AT.FDCWD, address, AT.REMOVEDIR),
  );

/** symlink(2): `path` becomes a link to `target`. */
export const symlink = (
  { task }: TaskLike,
  target: near.PathLike,
  path: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("symlinkat", target, (to) =>
    task.withPath("symlinkat", path, (address) =>
      near.symlinkat(task.sysif, to, AT.FDCWD, address),
    ),
  );

/** link(2): gives a file another name. A symbolic link is not followed. */
export const link = (
  { task }: TaskLike,
  from: near.PathLike,
  to: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("linkat", from, (source) =>
    task.withPath("linkat", to, (target) =>
      near.linkat(task.sysif, AT.FDCWD, source, AT.FDCWD, target, 0),
    ),
  );

/**
 * rename(2), with the flags of renameat2(2). If the kernel or file system refuses RENAME_NOREPLACE, a file has
 * both names for a moment, and a directory cannot be renamed with it.
 */
export const rename = (
  { task }: TaskLike,
  from: near.PathLike,
  to: near.PathLike,
  flags = 0,
): Effect.Effect<void, MallocFailure> => {
  const syscall = flags === 0 ? "renameat" : "renameat2";
  return task.withPath(syscall, from, (source) =>
    task.withPath(syscall, to, (target) =>
      renameAt(task.sysif, AT.FDCWD, source, AT.FDCWD, target, flags),
    ),
  );
};

/** readlink(2): the target of a link, which need not exist. */
export const readlink = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<near.Path, MallocFailure> =>
  task.withPath("readlinkat", path, (address) =>
    task.withMemory(4096, 1, (buffer) =>
      Effect.flatMap(near.readlinkat(task.sysif, AT.FDCWD, address, buffer, 4096), (length) =>
        Effect.map(task.sysif.read(buffer, length), (bytes) => near.Path.make(bytes)),
      ),
    ),
  );

/** access(2): fails unless the process's real ids may do all of `mode` (`ACCESS`). */
export const access = (
  { task }: TaskLike,
  path: near.PathLike,
  mode: number = ACCESS.F,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("faccessat", path, (address) =>
    near.faccessat(task.sysif, AT.FDCWD, address, mode),
  );

const idOrSame: Rule<number> = {
  expected: `${id.expected}, or -1 for no change`,
  has: (value) => value === -1 || id.has(value),
};

/**
 * chown(2), or lchown(2) with AT.SYMLINK_NOFOLLOW. An id of -1 stays as it is.
 */
export const chown = (
  { task }: TaskLike,
  path: near.PathLike,
  uid: number,
  gid: number,
  flags = 0,
): Effect.Effect<void, MallocFailure> =>
  checked(
    "fchownat",
    [argument("uid", uid, idOrSame), argument("gid", gid, idOrSame)],
    task.withPath("fchownat", path, (address) =>
      near.fchownat(task.sysif, AT.FDCWD, address, uid, gid, flags),
    ),
  );

/** truncate(2): sets the size in bytes. Added bytes read as zeros. */
export const truncate = (
  { task }: TaskLike,
  path: near.PathLike,
  size: number,
): Effect.Effect<void, MallocFailure> =>
  checked(
    "truncate",
    [argument("size", size, byteSize)],
    task.withPath("truncate", path, (address) => near.truncate(task.sysif, address, size)),
  );

/** getcwd(2) */
export const getcwd = ({ task }: TaskLike): Effect.Effect<near.Path, MallocFailure> =>
  task.withMemory(4096, 1, (buffer) =>
    Effect.flatMap(near.getcwd(task.sysif, buffer, 4096), (length) =>
      Effect.map(task.sysif.read(buffer, length), (bytes) =>
        near.Path.make(fsDecode(bytes.subarray(0, length - 1))),
      ),
    ),
  );

/** The absolute form of a path: a relative one begins at the task's working directory. */
export const absolutePath = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<near.Path, MallocFailure> => {
  const given = near.Path.make(path);
  return given.isAbsolute
    ? Effect.succeed(given)
    : Effect.map(getcwd(task), (cwd) => cwd.join(given));
};

/**
 * chdir(2)
 *
 * @example
 * ```ts
 * import { chdir } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const child = yield* (yield* LocalThread).fork();
 *   yield* chdir(child, "/tmp"); // Node stays where it is
 *   yield* child.exec(child.environ.sh.args("-c", "pwd")); // prints: /tmp
 *   yield* child.process.check();
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export const chdir = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("chdir", path, (address) => near.chdir(task.sysif, address));

/** fchdir(2) */
export const fchdir = (
  { task }: TaskLike,
  directory: FileDescriptor,
): Effect.Effect<void, near.SyscallFailure | BorrowFailure> =>
  Effect.flatMap(directory.borrow(task), (fd) => near.fchdir(task.sysif, fd));

/** chroot(2). The working directory stays where it is, outside of the new root. */
export const chroot = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("chroot", path, (address) => near.chroot(task.sysif, address));

/** pivot_root(2) */
export const pivotRoot = (
  { task }: TaskLike,
  newRoot: near.PathLike,
  putOld: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("pivot_root", newRoot, (root) =>
    task.withPath("pivot_root", putOld, (old) => near.pivotRoot(task.sysif, root, old)),
  );

/**
 * sethostname(2), of the task's UTS namespace.
 *
 * @example
 * ```ts
 * import { CLONE } from "@rsyscall/abi";
 * import { sethostname } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const child = yield* (yield* LocalThread).clone(CLONE.NEWUSER | CLONE.NEWUTS);
 *   yield* sethostname(child, "sandbox");
 *   yield* child.exec(child.environ.sh.args("-c", "uname -n")); // prints: sandbox
 *   yield* child.process.check();
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export const sethostname = (
  { task }: TaskLike,
  name: string,
): Effect.Effect<void, MallocFailure> => {
  const bytes = new TextEncoder().encode(name);
  return task.withBytes(bytes, (address) => near.sethostname(task.sysif, address, bytes.length));
};
