import { AT, type Dirent, DT, O, type Stat } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Cause, Effect, Exit } from "effect";
import type { MallocFailure } from "./errors.ts";
import { chmodByFd } from "./internal/chmodAt.ts";
import { BATCH, isReal, openDirectoryAt, readEntries } from "./internal/directories.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/**
 * Removes a file, or a directory with all that lies below it, even if the modes forbid that to the owner.
 * Symbolic links are not followed, and a mount in the directory is not touched: EBUSY. If the kernel refuses to
 * remove the directory for any other reason than its content, the content stays. ENOENT if there is nothing,
 * ENOTEMPTY if other processes fill it faster. A task that lies, or another process that fills a directory while
 * it is read, can make the call go on for ever: Effect.timeout ends it. The call keeps no more than one batch of
 * entries for each level of the tree.
 */
export const removeTree = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<void, MallocFailure> => removeTreeAt(task, AT.FDCWD, path);

/** How often a directory is emptied again because another process has put something in. */
const ATTEMPTS = 16;

const NOT_EMPTY = ["ENOTEMPTY", "EEXIST"] as const;

/** The errors if there is no directory of that name, or no longer. */
const NO_DIRECTORY = ["ENOENT", "ENOTDIR", "ELOOP"] as const;

/** As `removeTree`, relative to a directory. */
export const removeTreeAt = (
  task: Task,
  directory: near.DirectoryFd,
  path: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  Effect.suspend(() => {
    const subject = near.pathText(path);
    const remove = (flags: number) =>
      task.withPath("unlinkat", path, (address) =>
        near.unlinkat(task.sysif, directory, address, flags),
      );
    // If a slash followed it, the kernel would follow a link.
    const name = subject.replace(/\/+$/, "");
    const isParent = /(^|\/)\.\.$/.test(name);
    const attempt = (left: number): Effect.Effect<void, MallocFailure> =>
      remove(AT.REMOVEDIR).pipe(
        near.catchErrno("ENOTDIR", () => remove(0)),
        near.catchErrno(NOT_EMPTY, (error) =>
          left === 0 || isParent
            ? Effect.fail(error)
            : Effect.andThen(empty(task, directory, name, subject), vanishing(attempt(left - 1))),
        ),
      );
    return attempt(ATTEMPTS);
  });

/** Passes over ENOENT: another process may remove it too. */
const vanishing = near.catchErrno("ENOENT", () => Effect.void);

/** A directory that is to be emptied. */
interface Level {
  /** Its name in the level above. */
  readonly name: string;
  /** The directories in it that must be emptied first. */
  readonly full: Array<Level>;
  /** How many more times it may turn out not to be empty. */
  left: number;
  /** The device and inode by which it is recognised on the way back. */
  identity?: Stat;
}

const newLevel = (name: string): Level => ({ name, full: [], left: ATTEMPTS });

/**
 * Removes all that is in a directory. Only the directory that is being emptied is open, so that no depth is too
 * deep. The way back is its "..", which must be the directory that it was entered from.
 *
 * A directory is entered only after rmdir(2) has failed because it is not empty. For a mount point rmdir(2) fails
 * with EBUSY instead.
 */
const empty = (
  task: Task,
  directory: near.DirectoryFd,
  path: string,
  subject: string,
): Effect.Effect<void, MallocFailure> =>
  task.withMemory(2 * BATCH, 8, (buffer) =>
    Effect.acquireUseRelease(
      openLocked(task, directory, path, subject).pipe(
        Effect.map((fd) => new Emptying(task, fd, buffer, subject)),
        near.catchErrno(NO_DIRECTORY, () => Effect.succeed(undefined)),
      ),
      (emptying) => (emptying === undefined ? Effect.void : emptying.run()),
      (emptying) => (emptying === undefined ? Effect.void : emptying.close()),
    ),
  );

/** Opens a directory for reading. If its mode forbids that, changes the mode first. */
const openLocked = (
  task: Task,
  directory: near.DirectoryFd,
  path: string,
  subject: string,
): Effect.Effect<near.Fd, MallocFailure> => {
  const open = (flags: number) =>
    task.withPath("openat", path, (address) =>
      openDirectoryAt(task, directory, address, O.NOFOLLOW | flags).about(subject),
    );
  // chmod(2) of the path could follow a link that has replaced the directory.
  const unlock = Effect.acquireUseRelease(
    open(O.PATH),
    (fd) => chmodByFd(task, fd, 0o700),
    (fd) => Effect.ignore(near.close(task.sysif, fd)),
  );
  return near.catchErrno("EACCES", () => Effect.andThen(Effect.ignore(unlock), open(0)))(open(0));
};

/** A walk through a tree, which removes what it finds. */
class Emptying {
  readonly #task: Task;
  readonly #subject: string;
  /** Memory for one batch of entries, and behind it for their names. */
  readonly #buffer: near.Address;
  /** The directory that is being emptied. */
  #fd: near.Fd;

  constructor(task: Task, fd: near.Fd, buffer: near.Address, subject: string) {
    this.#task = task;
    this.#fd = fd;
    this.#buffer = buffer;
    this.#subject = subject;
  }

  close(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.ignore(near.close(this.#task.sysif, this.#fd)));
  }

  /** Removes all entries that are there by then. May be called once. */
  run(): Effect.Effect<void, MallocFailure> {
    const self = this;
    return Effect.gen(function* () {
      const levels = [newLevel("")];
      for (;;) {
        const level = levels.at(-1) as Level;
        const next = level.full.pop();
        if (next !== undefined) {
          level.identity ??= yield* self.#identity;
          if (yield* self.#enter(next.name)) levels.push(next);
          continue;
        }
        const entries = yield* self.#read;
        if (entries.length > 0) {
          level.full.push(...(yield* self.#removeAll(entries.filter(isReal))));
          continue;
        }
        levels.pop();
        const above = levels.at(-1);
        if (above === undefined) return;
        yield* self.#leave(level, above);
      }
    });
  }

  get #identity(): Effect.Effect<Stat, MallocFailure> {
    const { sysif, abi } = this.#task;
    return this.#task.withResult(abi.stat, (status) => near.fstat(sysif, this.#fd, status));
  }

  /** The next entries; none if another process has removed the directory. */
  get #read(): Effect.Effect<ReadonlyArray<Dirent>, near.SyscallFailure> {
    return near.catchErrno("ENOENT", () => Effect.succeed([]))(
      readEntries(this.#task, this.#fd, this.#buffer),
    );
  }

  #of(name: string): string {
    return `${this.#subject}: ${name}`;
  }

  /** Enters a directory, and returns whether it still exists. */
  #enter(name: string): Effect.Effect<boolean, MallocFailure> {
    return near.catchErrno(NO_DIRECTORY, () => Effect.succeed(false))(
      Effect.as(this.#moveTo(openLocked(this.#task, this.#fd, name, this.#of(name))), true),
    );
  }

  #moveTo(open: Effect.Effect<near.Fd, MallocFailure>): Effect.Effect<void, MallocFailure> {
    return Effect.uninterruptible(
      Effect.flatMap(open, (fd) => {
        const close = this.close();
        return Effect.andThen(
          close,
          Effect.sync(() => (this.#fd = fd)),
        );
      }),
    );
  }

  /** Goes up from an empty directory, and removes it. */
  #leave(level: Level, above: Level): Effect.Effect<void, MallocFailure> {
    const { sysif } = this.#task;
    const up = this.#task.withPath("openat", "..", (address) =>
      openDirectoryAt(this.#task, this.#fd, address, 0).about(() => this.#of(`${level.name}/..`)),
    );
    const rmdir = this.#task.withPath("unlinkat", level.name, (address) =>
      near.unlinkat(sysif, this.#fd, address, AT.REMOVEDIR).about(() => this.#of(level.name)),
    );
    return Effect.andThen(
      this.#moveTo(up),
      Effect.flatMap(this.#identity, ({ dev, ino }): Effect.Effect<void, MallocFailure> => {
        if (dev !== above.identity?.dev || ino !== above.identity.ino)
          return Effect.fail(
            near.SyscallError.of("openat", "ESTALE", this.#of(`${level.name} was moved away`)),
          );
        return rmdir.pipe(
          near.catchErrno(NO_DIRECTORY, () => Effect.void),
          near.catchErrno(NOT_EMPTY, (error) => {
            if (level.left-- === 0) return Effect.fail(error);
            above.full.push(level);
            return Effect.void;
          }),
        );
      }),
    );
  }

  /**
   * Removes entries in one round trip; if the directory's mode forbids it, changes the mode and tries again.
   * Returns the directories that are not empty.
   */
  #removeAll(
    entries: ReadonlyArray<Dirent>,
    isUnlocked = false,
  ): Effect.Effect<ReadonlyArray<Level>, MallocFailure> {
    if (entries.length === 0) return Effect.succeed([]);
    const { sysif } = this.#task;
    const names = near.Address(this.#buffer + BATCH);
    const paths = entries.map(({ name }) => near.pathBytes(`${name}\0`));
    const bytes = Buffer.concat(paths);
    let end = 0;
    const unlinks = entries.map(({ name, type }, i) => {
      const address = near.Address(names + end);
      end += (paths[i] as Uint8Array).length;
      const flags = type === DT.DIR ? AT.REMOVEDIR : 0;
      return near.unlinkat(sysif, this.#fd, address, flags).about(() => this.#of(name));
    });
    const unlinked = Effect.andThen(sysif.write(names, bytes), near.batchExits(unlinks));
    return Effect.flatMap(unlinked, (exits): Effect.Effect<ReadonlyArray<Level>, MallocFailure> => {
      const full: Array<Level> = [];
      const locked: Array<Dirent> = [];
      for (const [i, entry] of entries.entries()) {
        const exit = exits[i];
        if (exit === undefined || Exit.isSuccess(exit)) continue;
        const error = Cause.squash(exit.cause) as near.SyscallFailure;
        const errno = error instanceof near.SyscallError ? error.errno : undefined;
        if (errno === "ENOTEMPTY" || errno === "EEXIST" || errno === "EISDIR")
          full.push(newLevel(entry.name));
        else if (errno === "EACCES" && !isUnlocked) locked.push(entry);
        // Another process has removed it, or put something else there: the next read shows that.
        else if (errno !== "ENOENT" && errno !== "ENOTDIR") return Effect.fail(error);
      }
      if (locked.length === 0) return Effect.succeed(full);
      return Effect.andThen(
        Effect.ignore(near.fchmod(sysif, this.#fd, 0o700)),
        Effect.map(this.#removeAll(locked, true), (more) => [...full, ...more]),
      );
    });
  }
}
