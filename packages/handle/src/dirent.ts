import { AT, type Dirent, DT, decodeDirents, O, S_IF, SEEK } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { HandleFailure, WrongKindError } from "./errors.ts";
import { FileDescriptor } from "./FileDescriptor.ts";
import type { MallocFailure, Task } from "./Task.ts";

/** Bytes of entries that are read at a time. */
const BATCH = 32 * 1024;

/** A directory: dirent.h. Close-on-exec, as all that we make. */
export class Directory extends FileDescriptor {
  /** open(2) with O_DIRECTORY: ENOTDIR for anything else. */
  static open(
    task: Task,
    path: near.PathLike,
    flags = 0,
  ): Effect.Effect<Directory, MallocFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Directory,
      task,
      task.withPath("open", path, (address) =>
        openDirectoryAt(task, AT.FDCWD, address, flags, near.pathText(path)),
      ),
    );
  }

  /** A descriptor of unknown kind as a directory, if the kernel says so. */
  static from(
    fd: FileDescriptor,
  ): Effect.Effect<Directory, HandleFailure | WrongKindError, Scope.Scope> {
    return fd["narrow"](Directory, S_IF.DIR, "directory");
  }

  /** All entries but "." and "..", in the order of the file system. */
  get entries(): Effect.Effect<ReadonlyArray<Dirent>, HandleFailure> {
    const { sysif } = this.task;
    return this.use((fd) =>
      this.task.withMemory(BATCH, 8, (buffer) => {
        const all: Array<Dirent> = [];
        const more: Effect.Effect<ReadonlyArray<Dirent>, near.SyscallFailure> = Effect.flatMap(
          readEntries(this.task, fd, buffer),
          (entries) => {
            if (entries.length === 0) return Effect.succeed(all.filter(isReal));
            all.push(...entries);
            return more;
          },
        );
        return Effect.andThen(near.lseek(sysif, fd, 0, SEEK.SET), more);
      }),
    );
  }

  /** unlinkat(2), of all that lies below the entry as well: see `removeTree`. */
  removeTree(name: near.PathLike): Effect.Effect<void, HandleFailure> {
    return this.use((fd) => removeTreeAt(this.task, fd, name));
  }
}

/** Removes a file, or a directory with all that lies below it. Symbolic links are not followed. */
export const removeTree = (task: Task, path: near.PathLike): Effect.Effect<void, HandleFailure> =>
  removeTreeAt(task, AT.FDCWD, path);

const isReal = ({ name }: Dirent): boolean => name !== "." && name !== "..";

const openDirectoryAt = (
  task: Task,
  directory: near.Fd | number,
  path: near.Address,
  flags: number,
  subject: string,
): Effect.Effect<near.Fd, near.SyscallFailure> =>
  near.openat(task.sysif, directory, path, O.DIRECTORY | O.CLOEXEC | flags, 0, subject);

/** One batch of entries; none at the end. */
const readEntries = (
  task: Task,
  fd: near.Fd,
  buffer: near.Address,
): Effect.Effect<ReadonlyArray<Dirent>, near.SyscallFailure> =>
  Effect.flatMap(near.getdents(task.sysif, fd, buffer, BATCH), (count) =>
    count === 0 ? Effect.succeed([]) : Effect.map(task.sysif.read(buffer, count), decodeDirents),
  );

/** A directory above the one that is being emptied: how to find it again, and what to remove there. */
interface Above {
  readonly name: string;
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * Only the directory that is being emptied is open, so that no depth is too deep; the way back is its
 * "..", which must be where we came from.
 */
const removeTreeAt = (
  task: Task,
  directory: near.Fd | number,
  path: near.PathLike,
): Effect.Effect<void, HandleFailure> => {
  const { sysif } = task;
  const subject = near.pathText(path);
  const unlink = (at: near.Fd | number, name: string, flags: number) =>
    task.withPath("unlink", name, (address) =>
      near.unlinkat(sysif, at, address, flags, name === subject ? subject : `${subject}: ${name}`),
    );
  const open = (at: near.Fd | number, name: string) =>
    task.withPath("open", name, (address) => {
      const attempt = openDirectoryAt(task, at, address, O.NOFOLLOW, `${subject}: ${name}`);
      // What nobody may read can still be ours.
      return near.catchErrno("EACCES", () =>
        Effect.andThen(near.fchmodat(sysif, at, address, 0o700), attempt),
      )(attempt);
    });
  const identity = (fd: near.Fd) =>
    task.withResult(task.abi.stat, (status) => near.fstat(sysif, fd, status));

  const empty = Effect.gen(function* () {
    const buffer = yield* task.allocator.malloc(BATCH, 8);
    let current = yield* open(directory, subject);
    const moveTo = (next: near.Fd) =>
      Effect.flatMap(near.close(sysif, current), () => Effect.sync(() => (current = next)));
    const above: Array<Above> = [];
    const visit: Effect.Effect<void, HandleFailure> = Effect.gen(function* () {
      for (;;) {
        const entries = (yield* readEntries(task, current, buffer.address)).filter(isReal);
        let descended = false;
        for (const { name, type } of entries) {
          if (type !== DT.DIR) {
            const at = current;
            const removed = yield* unlink(at, name, 0).pipe(
              near.catchErrno("EACCES", () =>
                Effect.andThen(near.fchmod(sysif, at, 0o700), unlink(at, name, 0)),
              ),
              Effect.as(true),
              near.catchErrno("ENOENT", () => Effect.succeed(true)),
              near.catchErrno(["EISDIR", "EPERM"], (error) =>
                type === DT.UNKNOWN ? Effect.succeed(false) : Effect.fail(error),
              ),
            );
            if (removed) continue;
          }
          const { dev, ino } = yield* identity(current);
          yield* moveTo(yield* open(current, name));
          above.push({ name, dev, ino });
          descended = true;
          break;
        }
        if (descended || entries.length > 0) continue;
        const parent = above.pop();
        if (parent === undefined) return;
        yield* moveTo(yield* open(current, ".."));
        const { dev, ino } = yield* identity(current);
        if (dev !== parent.dev || ino !== parent.ino)
          return yield* Effect.fail(
            near.SyscallError.of("open", "ESTALE", `${subject}: a directory was moved away`),
          );
        const at = current;
        yield* unlink(at, parent.name, AT.REMOVEDIR).pipe(
          near.catchErrno("EACCES", () =>
            Effect.andThen(near.fchmod(sysif, at, 0o700), unlink(at, parent.name, AT.REMOVEDIR)),
          ),
          // Somebody has put something in since; the next visit finds it.
          near.catchErrno(["ENOTEMPTY", "ENOENT"], () => Effect.void),
        );
      }
    });
    yield* Effect.ensuring(
      visit,
      Effect.suspend(() => Effect.ignore(near.close(sysif, current))),
    ).pipe(Effect.ensuring(buffer.free));
    yield* unlink(directory, subject, AT.REMOVEDIR);
  });
  // Most often it is a directory; a file says so.
  return Effect.uninterruptible(
    near.catchErrno(["ENOTDIR", "ELOOP"], () => unlink(directory, subject, 0))(empty),
  );
};
