import {
  AT,
  isBlockDevice,
  isCharacterDevice,
  isDirectory,
  isRegular,
  isSymlink,
  O,
  type Stat,
} from "@rsyscall/abi";
import {
  chmod,
  Directory,
  type DirentStatus,
  type FileDescriptor,
  getcwd,
  type HandleFailure,
  mkdir,
  readlink,
  stat,
  symlink,
  type Task,
  unlink,
  utimens,
} from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { ThreadFile } from "./File.ts";
import { makeDirectories } from "./makeDirectory.ts";
import { openWithoutBlocking } from "./open.ts";
import { realPath } from "./realPath.ts";

/** Bytes that one copy_file_range(2) copies: a copy can be interrupted between two of them. */
const RANGE = 16 * 1024 * 1024;

/** Bytes of the process's memory that are used where the kernel does not copy from file to file. */
const BUFFER = 256 * 1024;

/** copy_file_range(2) is missing in the kernel, the file systems or a sandbox; or a file is generated (/proc). */
const NO_RANGES = ["ENOSYS", "EXDEV", "EINVAL", "EOPNOTSUPP", "EPERM"] as const;

/**
 * Copies the content and the mode of a file to a file that is made or overwritten. No byte leaves the
 * process. If the copy fails in the middle, the new file is removed.
 */
export const copyFile = (
  thread: Thread,
  from: string,
  to: string,
): Effect.Effect<void, HandleFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { task } = thread;
      const source = yield* openWithoutBlocking(thread, from, O.RDONLY);
      const original = yield* source.fstat();
      if (isDirectory(original.mode))
        return yield* Effect.fail(near.SyscallError.of("open", "EISDIR", from));
      const flags = O.WRONLY | O.CREAT;
      const target = yield* openWithoutBlocking(thread, to, flags, original.mode & 0o777);
      const copy = yield* target.fstat();
      if (isSame(original, copy)) return;
      const files = {
        source: new ThreadFile(thread, source, from, false),
        target: new ThreadFile(thread, target, to, false),
      };
      if (!isRegular(copy.mode)) return yield* copyThrough(task, files.source, files.target, 0);
      yield* Effect.gen(function* () {
        const fd = yield* target.borrow(task);
        yield* near.ftruncate(task.sysif, fd, 0);
        // File systems without modes refuse it.
        yield* target
          .chmod(original.mode & 0o7777)
          .pipe(near.catchErrno("EPERM", () => Effect.void));
        const count = isRegular(original.mode) ? yield* copyRanges(task, source, target) : 0;
        yield* copyThrough(task, files.source, files.target, count);
      }).pipe(Effect.onError(() => Effect.ignore(unlink(task, to))));
    }),
  );

const isSame = (a: Stat, b: Stat): boolean => a.dev === b.dev && a.ino === b.ino;

/** Repeats copy_file_range(2) for as long as it copies, and gives the number of bytes. */
const copyRanges = Effect.fnUntraced(function* (
  task: Task,
  source: FileDescriptor,
  target: FileDescriptor,
): Effect.fn.Return<number, HandleFailure> {
  const from = yield* source.borrow(task);
  const to = yield* target.borrow(task);
  for (let total = 0; ; ) {
    const count = yield* near
      .copyFileRange(task.sysif, from, near.NULL, to, near.NULL, RANGE, 0)
      .pipe(near.catchErrno(NO_RANGES, () => Effect.succeed(0)));
    if (count === 0) return total;
    total += count;
    yield* Effect.yieldNow;
  }
});

/** Copies the rest through memory of the process. */
const copyThrough = (
  task: Task,
  source: ThreadFile,
  target: ThreadFile,
  start: number,
): Effect.Effect<void, HandleFailure> =>
  task.withMemory(BUFFER, 1, (buffer) =>
    Effect.gen(function* () {
      for (let at = start; ; ) {
        const count = yield* source.readInto(buffer, BUFFER, BigInt(at));
        if (count === 0) return;
        for (let done = 0; done < count; )
          done += yield* target.writeFrom(
            near.Address(buffer + done),
            count - done,
            BigInt(at + done),
          );
        at += count;
      }
    }),
  );

export interface CopyOptions {
  readonly overwrite?: boolean | undefined;
  readonly preserveTimestamps?: boolean | undefined;
}

/**
 * Copies a file, a symbolic link, or a directory with all that is in it, into a directory that may be
 * exist already. Existing files stay, unless they are to be overwritten. A relative link becomes an
 * absolute one with the same target.
 */
export const copyTree = Effect.fnUntraced(function* (
  thread: Thread,
  from: string,
  to: string,
  options: CopyOptions,
): Effect.fn.Return<void, HandleFailure> {
  const { task } = thread;
  const source = yield* stat(task, from, AT.SYMLINK_NOFOLLOW);
  const target = yield* orNone(stat(task, to, AT.SYMLINK_NOFOLLOW));
  if (target !== undefined && isSame(source, target))
    return yield* refuse("EINVAL", `${to} is ${from} itself`);
  const parent = near.Path.make(to).parent.text;
  if (target === undefined) yield* makeDirectories(task, parent, 0o777);
  if (isDirectory(source.mode)) {
    const outer = yield* realPath(task, from);
    const inner = yield* realPath(task, parent);
    if (inner === outer || inner.startsWith(`${outer === "/" ? "" : outer}/`))
      return yield* refuse("EINVAL", `${to} is inside of ${from}`);
  }
  yield* copyEntry(thread, from, to, source, target, options);
});

/** Gives undefined for a path that does not exist. */
const orNone = <A>(self: Effect.Effect<A, HandleFailure>) =>
  near.catchErrno("ENOENT", () => Effect.succeed(undefined))(self);

const refuse = (errno: "EINVAL" | "EISDIR" | "ENOTDIR", subject: string) =>
  Effect.fail(near.SyscallError.of("copy", errno, subject));

const copyEntry = (
  thread: Thread,
  from: string,
  to: string,
  source: Stat,
  target: Stat | undefined,
  options: CopyOptions,
): Effect.Effect<void, HandleFailure> => {
  const { task } = thread;
  const { mode } = source;
  if (target !== undefined && isDirectory(mode) !== isDirectory(target.mode))
    return isDirectory(mode)
      ? refuse("ENOTDIR", `${to} is no directory, and ${from} is one`)
      : refuse("EISDIR", `${to} is a directory, and ${from} is none`);
  if (isDirectory(mode)) return copyDirectory(thread, from, to, source, target, options);
  const isFile = isRegular(mode) || isCharacterDevice(mode) || isBlockDevice(mode);
  if (!isFile && !isSymlink(mode)) return refuse("EINVAL", `${from} is a pipe or a socket`);
  if (target !== undefined && options.overwrite !== true) return Effect.void;
  // Not into the file that is there, which may have other names.
  const removed = target === undefined ? Effect.void : unlink(task, to);
  return Effect.andThen(
    removed,
    isFile
      ? Effect.gen(function* () {
          yield* copyFile(thread, from, to);
          // A write without privileges clears these bits.
          if (mode & 0o6000) yield* chmod(task, to, mode & 0o7777);
          if (options.preserveTimestamps === true) yield* utimens(task, to, source);
        })
      : copyLink(task, from, to),
  );
};

const copyLink = Effect.fnUntraced(function* (
  task: Task,
  from: string,
  to: string,
): Effect.fn.Return<void, HandleFailure> {
  const target = yield* readlink(task, from);
  if (target.isAbsolute) return yield* symlink(task, target, to);
  const directory = near.Path.make(from).parent;
  const cwd = directory.isAbsolute ? directory : yield* getcwd(task);
  const base = directory.text === "." ? cwd : cwd.join(directory);
  yield* symlink(task, base.join(target), to);
});

const copyDirectory = Effect.fnUntraced(function* (
  thread: Thread,
  from: string,
  to: string,
  source: Stat,
  target: Stat | undefined,
  options: CopyOptions,
): Effect.fn.Return<void, HandleFailure> {
  const { task } = thread;
  if (target === undefined) yield* mkdir(task, to);
  const entries = yield* statuses(task, from);
  const there = new Map<string, Stat>();
  if (target !== undefined)
    for (const { entry, status } of yield* statuses(task, to)) there.set(entry.name, status);
  for (const { entry, status } of entries) {
    const { name } = entry;
    yield* copyEntry(
      thread,
      near.Path.make(from, name).text,
      near.Path.make(to, name).text,
      status,
      there.get(name),
      options,
    );
  }
  // At the end: the mode may forbid new entries.
  if (target === undefined) yield* chmod(task, to, source.mode & 0o7777);
});

const statuses = (
  task: Task,
  path: string,
): Effect.Effect<ReadonlyArray<DirentStatus>, HandleFailure> =>
  Effect.scoped(Effect.flatMap(Directory.make(task, path), (directory) => directory.statuses()));
