import { ACCESS, AT, type Dirent, isDirectory, O, SEEK, type Stat } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Cause, Effect, Exit, type Scope, Semaphore } from "effect";
import type { BorrowFailure, IoFailure, MallocFailure, WrongKindError } from "./errors.ts";
import { FileDescriptor } from "./FileDescriptor.ts";
import { accessAt } from "./internal/accessAt.ts";
import { chmodAt } from "./internal/chmodAt.ts";
import { BATCH, isReal, openDirectoryAt, readEntries } from "./internal/directories.ts";
import { renameAt } from "./internal/renameAt.ts";
import { removeTreeAt } from "./removeTree.ts";
import { mknodAt } from "./sys/stat.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/** An entry of a directory, and the status of the file that it names; of a symbolic link, the link's own. */
export interface DirentStatus {
  /** The entry of the directory: name, type and inode number. */
  readonly entry: Dirent;
  /** The status of the file itself, links not followed. */
  readonly status: Stat;
}

/** Entries whose status is asked for together. */
const STAT_AT_MOST = 256;

/** Such questions that are in flight at a time: the task answers one while the answer to another is decoded. */
const IN_FLIGHT = 4;

/**
 * A directory: dirent.h, and the calls with `at` in their name. Their paths are relative to the directory, unless
 * they are absolute. Close-on-exec, as all descriptors that rsyscall opens.
 *
 * @example
 * ```ts
 * import { O } from "@rsyscall/abi";
 * import { Directory } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const root = yield* Directory.make(thread, "/");
 *   const names = (yield* root.entries()).map(({ name }) => String(name));
 *   console.log(names.includes("etc")); // true
 *   const passwd = yield* root.openat("etc/passwd", O.RDONLY);
 *   console.log((yield* passwd.fstat()).size > 0); // true
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Directory extends FileDescriptor {
  /** Allows one reader at a time: the open file has one offset. */
  readonly #reading = Semaphore.makeUnsafe(1);

  /** open(2) with O_DIRECTORY: ENOTDIR for anything else. */
  static make(
    { task }: TaskLike,
    path: near.PathLike,
    flags = 0,
  ): Effect.Effect<Directory, MallocFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Directory,
      task,
      task.withPath("openat", path, (address) => openDirectoryAt(task, AT.FDCWD, address, flags)),
    );
  }

  /** Makes a directory of a descriptor of unknown kind, if the kernel confirms that it is one. */
  static from(
    fd: FileDescriptor,
  ): Effect.Effect<Directory, IoFailure | WrongKindError, Scope.Scope> {
    return fd.narrow(Directory);
  }

  /** The name of the kind in errors. */
  static readonly kind = "directory";

  /** Asks fstat(2), which the file system answers. */
  static confirm(task: Task, fd: near.Fd): Effect.Effect<boolean, MallocFailure> {
    return Effect.map(
      task.withResult(task.abi.stat, (status) => near.fstat(task.sysif, fd, status)),
      ({ mode }) => isDirectory(mode),
    );
  }

  /**
   * getdents64(2): the next entries as the kernel gives them, with "." and "..", and none at the end. Handles
   * that share the open file, by `dup` or `inherit`, share the place in it.
   *
   * @param size of the buffer, in bytes; EINVAL if it is too small for the next entry
   */
  getdents(size = BATCH): Effect.Effect<ReadonlyArray<Dirent>, IoFailure> {
    return this.#reading.withPermit(
      this.use((fd) =>
        this.task.withMemory(size, 8, (buffer) => readEntries(this.task, fd, buffer, size)),
      ),
    );
  }

  /**
   * All entries but "." and "..", in the order of the file system. All of them are kept in memory, as many as the
   * task reports: if it may report entries without end, read parts by `getdents`.
   */
  entries(): Effect.Effect<ReadonlyArray<Dirent>, IoFailure> {
    const { task } = this;
    return this.#reading.withPermit(
      this.use((fd) =>
        task.withMemory(BATCH, 8, (buffer) =>
          Effect.gen(function* () {
            const all: Array<Dirent> = [];
            let [, batch] = yield* near.batchThen(
              [near.lseek(task.sysif, fd, 0, SEEK.SET)],
              readEntries(task, fd, buffer),
            );
            while (batch.length > 0) {
              for (const entry of batch) if (isReal(entry)) all.push(entry);
              batch = yield* readEntries(task, fd, buffer);
            }
            return all;
          }),
        ),
      ),
    );
  }

  /**
   * All entries with their status, as lstat(2) gives it. One round trip asks for hundreds of them. Entries
   * that are removed meanwhile are left out.
   */
  statuses(): Effect.Effect<ReadonlyArray<DirentStatus>, IoFailure> {
    return Effect.flatMap(this.entries(), (entries) => {
      const parts = Array.from({ length: Math.ceil(entries.length / STAT_AT_MOST) }, (_, i) =>
        entries.slice(i * STAT_AT_MOST, (i + 1) * STAT_AT_MOST),
      );
      return Effect.map(
        Effect.forEach(parts, (part) => this.use((fd) => statAll(this.task, fd, part)), {
          concurrency: IN_FLIGHT,
        }),
        (statuses) => statuses.flat(),
      );
    });
  }

  /** unlinkat(2), of the entry and all that lies below it: see `removeTree`. */
  removeTree(path: near.PathLike): Effect.Effect<void, IoFailure> {
    return this.use((fd) => removeTreeAt(this.task, fd, path));
  }

  /** openat(2), always close-on-exec. `mode` holds for files that it creates. */
  openat(
    path: near.PathLike,
    flags: number,
    mode = 0o666,
  ): Effect.Effect<FileDescriptor, IoFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      FileDescriptor,
      this.task,
      this.#at("openat", path, (...at) =>
        near.openat(this.task.sysif, ...at, near.withFlags(flags, O.CLOEXEC), mode),
      ),
    );
  }

  /** mkdirat(2). The process's umask clears bits of the mode. */
  mkdirat(path: near.PathLike, mode = 0o777): Effect.Effect<void, IoFailure> {
    return this.#at("mkdirat", path, (...at) => near.mkdirat(this.task.sysif, ...at, mode));
  }

  /** mknodat(2): see `mknod`. A device takes CAP_MKNOD. */
  mknodat(
    path: near.PathLike,
    mode: number,
    device: number | bigint = 0,
  ): Effect.Effect<void, IoFailure> {
    return this.#at("mknodat", path, (...at) => mknodAt(this.task, ...at, mode, device));
  }

  /** unlinkat(2); with AT.REMOVEDIR as rmdir(2). */
  unlinkat(path: near.PathLike, flags = 0): Effect.Effect<void, IoFailure> {
    return this.#at("unlinkat", path, (...at) => near.unlinkat(this.task.sysif, ...at, flags));
  }

  /** symlinkat(2): `path` becomes a link to `target`. */
  symlinkat(target: near.PathLike, path: near.PathLike): Effect.Effect<void, IoFailure> {
    return this.task.withPath("symlinkat", target, (to) =>
      this.#at("symlinkat", path, (...at) => near.symlinkat(this.task.sysif, to, ...at)),
    );
  }

  /** readlinkat(2): the target of a link, which need not exist. */
  readlinkat(path: near.PathLike): Effect.Effect<near.Path, IoFailure> {
    const { sysif } = this.task;
    return this.#at("readlinkat", path, (...at) =>
      this.task.withMemory(4096, 1, (buffer) =>
        Effect.flatMap(near.readlinkat(sysif, ...at, buffer, 4096), (length) =>
          Effect.map(sysif.read(buffer, length), (bytes) => near.Path.make(bytes)),
        ),
      ),
    );
  }

  /** As `rename`, to a path relative to another directory or this one. */
  renameat(
    from: near.PathLike,
    directory: FileDescriptor,
    to: near.PathLike,
    flags = 0,
  ): Effect.Effect<void, MallocFailure | BorrowFailure> {
    return this.#both(flags === 0 ? "renameat" : "renameat2", from, directory, to, (...at) =>
      renameAt(this.task.sysif, ...at, flags),
    );
  }

  /** linkat(2): gives a file another name. A link is followed only with AT.SYMLINK_FOLLOW. */
  linkat(
    from: near.PathLike,
    directory: FileDescriptor,
    to: near.PathLike,
    flags = 0,
  ): Effect.Effect<void, MallocFailure | BorrowFailure> {
    return this.#both("linkat", from, directory, to, (...at) =>
      near.linkat(this.task.sysif, ...at, flags),
    );
  }

  /** fstatat(2): as stat(2), or as lstat(2) with AT.SYMLINK_NOFOLLOW. */
  fstatat(path: near.PathLike, flags = 0): Effect.Effect<Stat, IoFailure> {
    return this.#at("newfstatat", path, (...at) =>
      this.task.withResult(this.task.abi.stat, (status) =>
        near.fstatat(this.task.sysif, ...at, status, flags),
      ),
    );
  }

  /**
   * fchmodat(2): sets exactly this mode; the umask does not apply. With flags, such as AT.SYMLINK_NOFOLLOW, it is
   * fchmodat2(2), or an equivalent before Linux 6.6.
   */
  fchmodat(path: near.PathLike, mode: number, flags = 0): Effect.Effect<void, IoFailure> {
    const { sysif } = this.task;
    return this.#at(flags === 0 ? "fchmodat" : "fchmodat2", path, (...at) =>
      flags === 0
        ? near.fchmodat(sysif, ...at, mode)
        : chmodAt(this.task, ...at, mode, flags, path),
    );
  }

  /**
   * faccessat(2): fails unless the process's real ids, or with AT.EACCESS its effective ids, may do all of `mode`
   * (`ACCESS`).
   */
  faccessat(
    path: near.PathLike,
    mode: number = ACCESS.F,
    flags = 0,
  ): Effect.Effect<void, IoFailure> {
    return this.#at(flags === 0 ? "faccessat" : "faccessat2", path, (...at) =>
      accessAt(this.task, ...at, mode, flags),
    );
  }

  /** Runs a call with the directory and a path, as the system calls take them. */
  #at<A, E>(
    syscall: string,
    path: near.PathLike,
    call: (directory: near.Fd, path: near.Address) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | IoFailure> {
    return this.use((fd) => this.task.withPath(syscall, path, (address) => call(fd, address)));
  }

  #both<A, E>(
    syscall: string,
    from: near.PathLike,
    directory: FileDescriptor,
    to: near.PathLike,
    call: (
      fromDirectory: near.Fd,
      from: near.Address,
      toDirectory: near.Fd,
      to: near.Address,
    ) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | MallocFailure | BorrowFailure> {
    return this.#at(syscall, from, (fd, source) =>
      Effect.flatMap(directory.borrow(this.task), (toFd) =>
        this.task.withPath(syscall, to, (target) => call(fd, source, toFd, target)),
      ),
    );
  }
}

/** fstatat(2) of entries of a directory, all at once. */
const statAll = (
  task: Task,
  fd: near.Fd,
  entries: ReadonlyArray<Dirent>,
): Effect.Effect<ReadonlyArray<DirentStatus>, MallocFailure> => {
  const { stat } = task.abi;
  const text = near.pathBytes(`${entries.map(({ name }) => name).join("\0")}\0`);
  const size = stat.size * entries.length;
  return task.withMemory(size + text.length, stat.alignment, (statuses) => {
    let at = 0;
    const calls = entries.map((_, i) => {
      const name = near.Address(statuses + size + at);
      at = text.indexOf(0, at) + 1;
      const status = near.Address(statuses + stat.size * i);
      return near.fstatat(task.sysif, fd, name, status, AT.SYMLINK_NOFOLLOW);
    });
    const ask = near.batchExitsThen(calls, task.sysif.read(statuses, size));
    return Effect.flatMap(
      Effect.andThen(task.sysif.write(near.Address(statuses + size), text), ask),
      ([exits, bytes]) => {
        const known: Array<DirentStatus> = [];
        for (const [i, entry] of entries.entries()) {
          const exit = exits[i] as Exit.Exit<void, near.SyscallFailure>;
          if (Exit.isSuccess(exit)) {
            const status = near.decoded("newfstatat", entry.name, () =>
              stat.decode(bytes.subarray(stat.size * i, stat.size * (i + 1))),
            );
            if (Exit.isFailure(status)) return Exit.failCause(status.cause);
            known.push({ entry, status: status.value });
          } else {
            const error = Cause.squash(exit.cause);
            if (!(error instanceof near.SyscallError)) return Exit.failCause(exit.cause);
            if (error.errno !== "ENOENT") {
              error.isAbout(entry.name);
              return Exit.fail(error);
            }
          }
        }
        return Exit.succeed(known);
      },
    );
  });
};
