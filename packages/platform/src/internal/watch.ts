import { AT, DT, decodeInotifyEvents, IN, type InotifyEvent, isDirectory } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { Directory, type HandleFailure, Inotify, stat } from "@rsyscall/handle";
import { catchErrno, decoded, Path, SyscallError } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Cause, Effect, type FileSystem, type PlatformError, Stream } from "effect";
import { named } from "./attempt.ts";

const CREATED = IN.CREATE | IN.MOVED_TO;
const REMOVED = IN.DELETE | IN.MOVED_FROM;
const REMOVED_ITSELF = IN.DELETE_SELF | IN.MOVE_SELF;
const UPDATED = IN.MODIFY | IN.ATTRIB;

/** The path was removed or replaced meanwhile. */
const GONE = ["ENOENT", "ENOTDIR", "ELOOP"] as const;

/** Bytes of one read of events. */
const BATCH = 16 * 1024;

/**
 * Tells what happens to a file or in a directory, by inotify(7) in the process. Paths are relative to the
 * directory; for a file they are its name. The stream ends when the file or directory is gone, and fails
 * when the kernel's queue of events overflows.
 */
export const watch = (
  thread: Thread,
  path: string,
  options: FileSystem.WatchOptions = {},
): Stream.Stream<FileSystem.WatchEvent, PlatformError.PlatformError> =>
  Stream.unwrap(
    named(
      "watch",
      path,
      Effect.gen(function* () {
        const { task } = thread;
        // The method's name in Effect's own messages.
        const { mode } = yield* named("stat", path, stat(task, path));
        const afd = yield* thread.makeAfd(yield* Inotify.make(task));
        const recursive = options.recursive === true && isDirectory(mode);
        const watching = new Watching(thread, path, recursive, afd);
        yield* watching.begin();
        options.onReady?.();
        const next = Effect.suspend(() => watching.next());
        return Stream.fromPull(
          Effect.succeed(
            Effect.flatMap(named("watch", path, next), (events) =>
              events === undefined ? Cause.done() : Effect.succeed(events),
            ),
          ),
        );
      }),
    ),
  );

type Events = readonly [FileSystem.WatchEvent, ...Array<FileSystem.WatchEvent>];

/** The watches of one stream: one, or one for each directory of a tree. */
class Watching {
  readonly #thread: Thread;
  readonly #root: string;
  readonly #recursive: boolean;
  readonly #afd: AsyncFileDescriptor<Inotify>;
  /** Paths of directories, with a trailing slash, by watch descriptor; the root's is empty. */
  readonly #prefixes = new Map<number, string>();
  #told: Array<FileSystem.WatchEvent> = [];
  #hasEnded = false;

  constructor(thread: Thread, root: string, recursive: boolean, afd: AsyncFileDescriptor<Inotify>) {
    this.#thread = thread;
    this.#root = root;
    this.#recursive = recursive;
    this.#afd = afd;
  }

  /** Starts to watch. */
  begin(): Effect.Effect<void, HandleFailure> {
    return this.#add("", false);
  }

  /** Waits for events and gives them; undefined at the end. */
  next(): Effect.Effect<Events | undefined, HandleFailure> {
    const [first, ...rest] = this.#told;
    if (first !== undefined) {
      this.#told = [];
      return Effect.succeed([first, ...rest]);
    }
    if (this.#hasEnded) return Effect.succeed(undefined);
    return Effect.gen({ self: this }, function* () {
      const bytes = yield* this.#afd.readBytes(BATCH);
      const events = yield* decoded("read", this.#root, () => decodeInotifyEvents(bytes));
      for (const event of events) yield* this.#tell(event);
      return yield* this.next();
    });
  }

  #path(relative: string): string {
    return relative === "" ? this.#root : `${this.#root}/${relative}`;
  }

  /**
   * Watches a directory, and what is in it.
   *
   * @param isNew tell of its content as created: there was no watch yet when it was
   */
  #add(prefix: string, isNew: boolean): Effect.Effect<void, HandleFailure> {
    const isRoot = prefix === "";
    const mask =
      CREATED | REMOVED | UPDATED | (isRoot ? REMOVED_ITSELF : IN.ONLYDIR | IN.DONT_FOLLOW);
    // With the trailing slash a link would be followed.
    const path = this.#path(prefix.slice(0, -1));
    return Effect.flatMap(this.#afd.handle.addWatch(path, mask), (wd) => {
      // It was found when its parent was listed, and now its event has come.
      if (this.#prefixes.get(wd) === prefix) return Effect.void;
      this.#prefixes.set(wd, prefix);
      return this.#recursive ? this.#addBelow(prefix, isNew) : Effect.void;
    });
  }

  #addBelow(prefix: string, isNew: boolean): Effect.Effect<void, HandleFailure> {
    const { task } = this.#thread;
    return Effect.gen({ self: this }, function* () {
      const entries = yield* Effect.scoped(
        Effect.flatMap(Directory.make(task, this.#path(prefix)), (directory) =>
          directory.entries(),
        ),
      );
      for (const { name, type } of entries) {
        const path = prefix + name;
        if (isNew) this.#told.push({ _tag: "Create", path });
        if (type === DT.DIR) yield* this.#enter(`${path}/`, isNew);
        else if (type === DT.UNKNOWN) {
          const status = stat(task, this.#path(path), AT.SYMLINK_NOFOLLOW);
          const isFull = Effect.map(status, ({ mode }) => isDirectory(mode));
          if (yield* catchErrno(GONE, () => Effect.succeed(false))(isFull))
            yield* this.#enter(`${path}/`, isNew);
        }
      }
    });
  }

  /** Watches a directory below the root, if it is still there. */
  #enter(prefix: string, isNew: boolean): Effect.Effect<void, HandleFailure> {
    return catchErrno(GONE, () => Effect.void)(this.#add(prefix, isNew));
  }

  /** Changes the paths of a directory that was moved, and of all below it. */
  #leave(prefix: string): Effect.Effect<void, HandleFailure> {
    const below = [...this.#prefixes].filter(([, path]) => path.startsWith(prefix));
    return Effect.forEach(
      below,
      ([wd]) => {
        this.#prefixes.delete(wd);
        // The kernel no longer watches a directory that was removed.
        return catchErrno("EINVAL", () => Effect.void)(this.#afd.handle.rmWatch(wd));
      },
      { discard: true },
    );
  }

  #tell({ wd, mask, name }: InotifyEvent): Effect.Effect<void, HandleFailure> {
    if (mask & IN.Q_OVERFLOW)
      return Effect.fail(SyscallError.of("inotify", "EOVERFLOW", this.#root));
    const prefix = this.#prefixes.get(wd);
    if (prefix === undefined) return Effect.void;
    if (mask & IN.IGNORED) this.#prefixes.delete(wd);
    if (prefix === "" && mask & (IN.IGNORED | IN.MOVE_SELF)) this.#hasEnded = true;
    // What a directory below the root tells of itself, its parent tells as well.
    if (name === undefined && prefix !== "") return Effect.void;
    const path = name === undefined ? Path.make(this.#root).name : prefix + name;
    if (mask & CREATED) this.#told.push({ _tag: "Create", path });
    else if (mask & (REMOVED | REMOVED_ITSELF)) this.#told.push({ _tag: "Remove", path });
    else if (mask & UPDATED) this.#told.push({ _tag: "Update", path });
    if (!this.#recursive || !(mask & IN.ISDIR) || name === undefined) return Effect.void;
    if (mask & CREATED) return this.#enter(`${path}/`, true);
    return mask & REMOVED ? this.#leave(`${path}/`) : Effect.void;
  }
}
