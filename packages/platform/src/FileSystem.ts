import { ACCESS, AT, DT, isDirectory, O, type Timespec } from "@rsyscall/abi";
import {
  access,
  chmod,
  chown,
  Directory,
  type HandleFailure,
  link,
  mkdir,
  open,
  readlink,
  removeTree,
  rename,
  stat,
  statx,
  symlink,
  type Task,
  truncate,
  unlink,
  utimens,
} from "@rsyscall/handle";
import { catchErrno } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, FileSystem, Layer, type PlatformError, Stream } from "effect";
import { attempt, badArgument, isMode, isSize } from "./internal/attempt.ts";
import { copyFile, copyTree } from "./internal/copy.ts";
import { ThreadFile } from "./internal/File.ts";
import { entryTypeOf, infoOf } from "./internal/fileInfo.ts";
import { makeDirectories } from "./internal/makeDirectory.ts";
import { openFlags, openWithoutBlocking } from "./internal/open.ts";
import { realPath } from "./internal/realPath.ts";
import {
  makeTemporaryDirectory,
  makeTemporaryDirectoryScoped,
  randomName,
} from "./internal/temporary.ts";
import { watch } from "./internal/watch.ts";

/**
 * Effect's FileSystem in the process of a Thread: the mount namespace, root, working directory, ids and
 * umask of that process count. Relative paths start at its current working directory. Open files are in
 * its descriptor table, and bytes go through its memory.
 *
 * File names that are not UTF-8 are text as `fsDecode` makes it, and so keep their bytes. No method blocks
 * the process for longer than its file systems do: FIFOs and terminals are waited for by events. Writing to
 * a pipe without readers gives EPIPE, and no SIGPIPE.
 *
 * It behaves as Effect's own service for Node, with few differences: `realPath` resolves ".." after it has
 * followed links, as the kernel does; a recursive `readDirectory` does not follow links; `copy` keeps an
 * existing link unless `overwrite` is set; a negative length is a BadArgument; `watch` has no WatchBackend.
 *
 * @example
 * ```ts
 * import { ThreadFileSystem } from "@rsyscall/platform";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect, FileSystem } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const fs = yield* FileSystem.FileSystem;
 *   return yield* fs.readFileString("/proc/self/comm");
 * });
 * const inChild = Effect.gen(function* () {
 *   const child = yield* (yield* LocalThread).fork();
 *   return yield* Effect.provide(program, ThreadFileSystem.layer(child));
 * });
 * console.log(await Effect.runPromise(inChild.pipe(Effect.scoped, Effect.provide(LocalThread.layer))));
 * ```
 */
export const layer = (thread: Thread): Layer.Layer<FileSystem.FileSystem> =>
  Layer.sync(FileSystem.FileSystem, () => make(thread));

/** The service itself: see {@link layer}. */
export const make = (thread: Thread): FileSystem.FileSystem => {
  const { task } = thread;

  const withFile = <A>(
    path: string,
    flag: FileSystem.OpenFlag,
    mode: number | undefined,
    use: (file: ThreadFile) => Effect.Effect<A, HandleFailure | PlatformError.PlatformError>,
  ) =>
    Effect.scoped(
      Effect.flatMap(openWithoutBlocking(thread, path, openFlags[flag], mode), (fd) =>
        use(new ThreadFile(thread, fd, path, flag.startsWith("a"))),
      ),
    );

  const list = (path: string) =>
    Effect.scoped(
      Effect.flatMap(Directory.make(task, path), (directory) =>
        Effect.map(directory.entries(), (entries) => [...entries].sort(byName)),
      ),
    );

  /** Makes a file in a new directory. */
  const makeFileIn = <R>(
    method: string,
    directory: Effect.Effect<string, PlatformError.PlatformError, R>,
    suffix = "",
  ) =>
    Effect.flatMap(directory, (directory) => {
      const path = `${directory}/${randomName()}${suffix}`;
      return attempt(method, [path], () =>
        Effect.as(Effect.scoped(open(task, path, O.RDWR | O.CREAT | O.EXCL)), path),
      );
    });

  return FileSystem.make({
    access: (path, options) =>
      attempt("access", [path], () => {
        const readable = options?.readable ? ACCESS.R : 0;
        const writable = options?.writable ? ACCESS.W : 0;
        return access(task, path, readable | writable);
      }),
    chmod: (path, mode) =>
      attempt("chmod", [path], () =>
        isMode(mode)
          ? chmod(task, path, mode)
          : Effect.fail(badArgument("chmod", `${mode} is no mode`)),
      ),
    chown: (path, uid, gid) =>
      attempt("chown", [path], () =>
        isOwner(uid) && isOwner(gid)
          ? chown(task, path, uid === NO_ID ? -1 : uid, gid === NO_ID ? -1 : gid)
          : Effect.fail(badArgument("chown", `${uid}:${gid} are no ids`)),
      ),
    copy: (from, to, options = {}) =>
      attempt("copy", [from, to], () => copyTree(thread, from, to, options)),
    copyFile: (from, to) => attempt("copyFile", [from, to], () => copyFile(thread, from, to)),
    link: (from, to) => attempt("link", [from, to], () => link(task, from, to)),
    lstat: (path) =>
      attempt("lstat", [path], () => Effect.map(statx(task, path, AT.SYMLINK_NOFOLLOW), infoOf)),
    makeDirectory: (path, options) =>
      attempt("makeDirectory", [path], () => {
        const { recursive = false, mode = 0o777 } = options ?? {};
        if (!isMode(mode)) return Effect.fail(badArgument("makeDirectory", `${mode} is no mode`));
        return recursive ? makeDirectories(task, path, mode) : mkdir(task, path, mode);
      }),
    makeTempDirectory: (options) => makeTemporaryDirectory(thread, "makeTempDirectory", options),
    makeTempDirectoryScoped: (options) =>
      makeTemporaryDirectoryScoped(thread, "makeTempDirectoryScoped", options),
    makeTempFile: (options) => {
      const method = "makeTempFile";
      const directory = makeTemporaryDirectory(thread, method, options);
      return makeFileIn(method, directory, options?.suffix);
    },
    makeTempFileScoped: (options) => {
      const method = "makeTempFileScoped";
      const directory = makeTemporaryDirectoryScoped(thread, method, options);
      return makeFileIn(method, directory, options?.suffix);
    },
    open: (path, options) =>
      attempt("open", [path], () => {
        const { flag = "r", mode, noFollow = false } = options ?? {};
        const invalid = invalidOpening("open", flag, mode);
        if (invalid !== undefined) return Effect.fail(invalid);
        const flags = openFlags[flag] | (noFollow ? O.NOFOLLOW : 0);
        return Effect.map(
          openWithoutBlocking(thread, path, flags, mode),
          (fd) => new ThreadFile(thread, fd, path, flag.startsWith("a")),
        );
      }),
    readDirectory: (path, options) =>
      attempt("readDirectory", [path], () =>
        options?.recursive
          ? listAll(task, path, list)
          : Effect.map(list(path), (entries) => entries.map(({ name }) => name)),
      ),
    readDirectoryEntries: (path) =>
      attempt("readDirectoryEntries", [path], () =>
        Effect.map(list(path), (entries) =>
          entries.map(({ name, type }) => ({ name, type: entryTypeOf(type) })),
        ),
      ),
    readFile: (path) =>
      attempt("readFile", [path], () => withFile(path, "r", undefined, (file) => file.readAll())),
    readLink: (path) =>
      attempt("readLink", [path], () => Effect.map(readlink(task, path), ({ text }) => text)),
    realPath: (path) => attempt("realPath", [path], () => realPath(task, path)),
    remove: (path, options) =>
      attempt("remove", [path], () => {
        const removed = options?.recursive ? removeTree(task, path) : unlink(task, path);
        return options?.force ? catchErrno("ENOENT", () => Effect.void)(removed) : removed;
      }),
    rename: (from, to) => attempt("rename", [from, to], () => rename(task, from, to)),
    stat: (path) => attempt("stat", [path], () => Effect.map(statx(task, path), infoOf)),
    symlink: (target, path) =>
      attempt("symlink", [target, path], () => symlink(task, target, path)),
    truncate: (path, length = 0) =>
      attempt("truncate", [path], () =>
        isSize(length)
          ? truncate(task, path, length)
          : Effect.fail(badArgument("truncate", `${length} is no length of a file`)),
      ),
    utimes: (path, atime, mtime) =>
      // The method's name in Effect's own messages.
      attempt("utime", [path], () => {
        const times = { atime: timespecOf(atime), mtime: timespecOf(mtime) };
        return times.atime === undefined || times.mtime === undefined
          ? Effect.fail(badArgument("utime", `${atime} and ${mtime} are no times`))
          : utimens(task, path, { atime: times.atime, mtime: times.mtime });
      }),
    watch: (path, options) =>
      Stream.unwrap(attempt("watch", [path], () => Effect.succeed(watch(thread, path, options)))),
    writeFile: (path, data, options) =>
      attempt("writeFile", [path], () => {
        const { flag = "w", mode } = options ?? {};
        const invalid = invalidOpening("writeFile", flag, mode);
        if (invalid !== undefined) return Effect.fail(invalid);
        return withFile(path, flag, mode, (file) => file.writeWhole("writeFile", data));
      }),
  });
};

const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/** Lists all paths below a directory, relative to it. Links are not followed. */
const listAll = Effect.fnUntraced(function* (
  task: Task,
  path: string,
  list: (
    path: string,
  ) => Effect.Effect<ReadonlyArray<{ name: string; type: number }>, HandleFailure>,
): Effect.fn.Return<Array<string>, HandleFailure> {
  const paths: Array<string> = [];
  const directories = [""];
  // Directories found below are appended: removing the first entry would move all others each time.
  for (const prefix of directories) {
    for (const { name, type } of yield* list(prefix === "" ? path : `${path}/${prefix}`)) {
      const inner = prefix + name;
      paths.push(inner);
      const isFull =
        type === DT.UNKNOWN
          ? isDirectory((yield* stat(task, `${path}/${inner}`, AT.SYMLINK_NOFOLLOW)).mode)
          : type === DT.DIR;
      if (isFull) directories.push(`${inner}/`);
    }
  }
  return paths;
});

/** Says what is wrong with the options of `open`; undefined if nothing is. */
const invalidOpening = (
  method: string,
  flag: string,
  mode: number | undefined,
): PlatformError.PlatformError | undefined =>
  !Object.hasOwn(openFlags, flag)
    ? badArgument(method, `${JSON.stringify(flag)} is no flag`)
    : mode !== undefined && !isMode(mode)
      ? badArgument(method, `${mode} is no mode`)
      : undefined;

/** (uid_t) -1: the owner does not change. */
const NO_ID = 2 ** 32 - 1;

const isOwner = (id: number): boolean => Number.isInteger(id) && id >= -1 && id <= NO_ID;

/** Converts a Date, or seconds since 1970, to a timespec that is exact to the microsecond. */
const timespecOf = (time: Date | number): Timespec | undefined => {
  const isDate = time instanceof Date;
  const value = isDate ? time.getTime() : time;
  const seconds = Math.floor(isDate ? value / 1e3 : value);
  if (!Number.isSafeInteger(seconds)) return undefined;
  const nanoseconds = isDate
    ? (value - seconds * 1e3) * 1e6
    : Math.round((value - seconds) * 1e6) * 1e3;
  return nanoseconds < 1e9 ? { seconds, nanoseconds } : { seconds: seconds + 1, nanoseconds: 0 };
};
