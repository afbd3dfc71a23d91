import { AF, AT, LOCK, O, RENAME, S_IF, S_IFMT, SOCK, type Stat } from "@rsyscall/abi";
import {
  bindUnix,
  chmod,
  connectUnix,
  type HandleFailure,
  mkdir,
  open,
  rename,
  rmdir,
  Socket,
  stat,
  type Task,
  unlink,
} from "@rsyscall/handle";
import { catchErrno, flock, geteuid, Path } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, Scope } from "effect";
import { PathTakenError } from "./errors.ts";

/*
 * A file is made in a directory that only we may enter, and then renamed to its place. So no other user can replace
 * the file before we change its mode, even if others may write to the directory; a socket listens as soon as it has
 * its name; and in the end we remove only what we have placed.
 */

type Failure = HandleFailure | PathTakenError;

/** What lies at a path where we want to place a file. */
export type Occupant =
  /** A dead server has left it: it may be replaced. */
  "Leftover" | { readonly problem: string; readonly remedy: string };

/** lstat(2): of a link itself. */
export const lstat = (task: Task, path: Path): Effect.Effect<Stat, HandleFailure> =>
  stat(task, path, AT.SYMLINK_NOFOLLOW);

/**
 * Whether it is the same file. A file system gives the number of a file that was removed to the next one: the time
 * tells them apart.
 */
export const isSame = (one: Stat, other: Stat): boolean =>
  one.dev === other.dev &&
  one.ino === other.ino &&
  one.mtime.seconds === other.mtime.seconds &&
  one.mtime.nanoseconds === other.mtime.nanoseconds;

/**
 * A new directory beside a path, which only this user may enter, as a path that others cannot lead elsewhere.
 * The scope removes it.
 */
export const workshop: (thread: Thread, beside: Path) => Effect.Effect<Path, Failure, Scope.Scope> =
  Effect.fnUntraced(function* ({ task }, beside) {
    const path = beside.parent.join(`.rsyscall-${crypto.randomUUID()}`);
    yield* Effect.acquireRelease(mkdir(task, path, 0o700), () => Effect.ignore(rmdir(task, path)));
    // A child that writes a file there reaches it by its own copy of this descriptor.
    const directory = yield* open(task, path, O.PATH | O.DIRECTORY | O.NOFOLLOW);
    const { uid, mode } = yield* directory.fstat();
    // Where others may write, they may have put another one in its place.
    if (uid !== (yield* geteuid(task.sysif)) || (mode & 0o077) !== 0)
      return yield* new PathTakenError({
        path: path.text,
        problem: "was replaced by another user's directory",
        remedy: "use a directory that no other user may write to",
      });
    return Path.make(`/proc/self/fd/${directory.near}`);
  });

/** A file that has got its name. */
export interface Placed {
  /** By which it is known again. */
  readonly own: Stat;
  /** Whether it has replaced a leftover. */
  readonly hasReplaced: boolean;
}

/**
 * Gives a file its name, until the scope closes. The name must be free, or what a dead server has left. Of
 * two servers that find the same leftover one gets the name, and the other one is told so.
 *
 * @param judge says what an existing file is
 * @param stays whether the file is to stay when the scope closes
 */
export const place = (
  thread: Thread,
  from: Path,
  path: Path,
  judge: (found: Stat) => Effect.Effect<Occupant, Failure>,
  stays: () => boolean = () => false,
): Effect.Effect<Placed, Failure, Scope.Scope> => {
  const { task } = thread;
  const placed = Effect.gen(function* () {
    const own = yield* lstat(task, from);
    const hasReplaced = yield* Effect.as(rename(task, from, path, RENAME.NOREPLACE), false).pipe(
      catchErrno("EEXIST", () => Effect.scoped(takeOver(thread, from, path, judge))),
    );
    return { own, hasReplaced };
  });
  return Effect.acquireRelease(placed, ({ own }) =>
    stays() ? Effect.void : Effect.ignore(removeOwn(task, path, own)),
  );
};

/** Removes a file if it is still the one that it was: others may have put theirs there. */
export const removeOwn = (task: Task, path: Path, own: Stat): Effect.Effect<void, HandleFailure> =>
  Effect.flatMap(lstat(task, path), (found) =>
    isSame(own, found) ? unlink(task, path) : Effect.void,
  );

/** Puts a file in the place of a leftover. The lock on the directory makes servers do so one at a time. */
const takeOver = Effect.fnUntraced(function* (
  thread: Thread,
  from: Path,
  path: Path,
  judge: (found: Stat) => Effect.Effect<Occupant, Failure>,
): Effect.fn.Return<boolean, Failure, Scope.Scope> {
  const { task } = thread;
  yield* lock(task, path.parent);
  const found = yield* Effect.catchIf(
    Effect.asSome(lstat(task, path)),
    (error) => error._tag === "SyscallError" && error.errno === "ENOENT",
    () => Effect.succeedNone,
  );
  // Its server has closed meanwhile.
  if (found._tag === "None")
    return yield* Effect.as(rename(task, from, path, RENAME.NOREPLACE), false);
  const occupant = yield* judge(found.value);
  if (occupant !== "Leftover") return yield* new PathTakenError({ path: path.text, ...occupant });
  return yield* Effect.as(rename(task, from, path), true);
});

/** Attempts to lock a directory, 10 ms apart: servers hold the lock for a moment only. */
const LOCK_ATTEMPTS = 200;

/** flock(2) of a directory until the scope closes, however its owner ends. Without blocking its thread. */
const lock = Effect.fnUntraced(function* (
  task: Task,
  path: Path,
): Effect.fn.Return<void, HandleFailure, Scope.Scope> {
  const directory = yield* open(task, path, O.RDONLY | O.DIRECTORY);
  directory.closeOnFork = true;
  const fd = yield* directory.borrow(task);
  const attempt = (left: number): Effect.Effect<void, HandleFailure> => {
    const once = flock(task.sysif, fd, LOCK.EX | LOCK.NB).about(path.text);
    return left === 0
      ? once
      : catchErrno("EAGAIN", () => Effect.delay(attempt(left - 1), "10 millis"))(once);
  };
  yield* attempt(LOCK_ATTEMPTS);
});

/** Describes a file that is not ours, for a message, after its path. */
export const kindOf = ({ mode }: Stat): string => {
  const kinds: Readonly<Record<number, string>> = {
    [S_IF.DIR]: "is a directory",
    [S_IF.LNK]: "is a link to something that is not ours",
    [S_IF.SOCK]: "is a socket",
    [S_IF.REG]: "is a file that is not ours",
  };
  return kinds[mode & S_IFMT] ?? "is there already, and not ours";
};

/** What lies at the path of a socket. Only a server that listens takes a connection. */
export const judgeSocket =
  ({ task }: Thread, path: Path) =>
  (found: Stat): Effect.Effect<Occupant, Failure> => {
    if ((found.mode & S_IFMT) !== S_IF.SOCK)
      return Effect.succeed({
        problem: kindOf(found),
        remedy: "choose another name, or another directory",
      });
    return Effect.scoped(
      Effect.gen(function* () {
        const socket = yield* Socket.make(task, AF.UNIX, SOCK.STREAM | SOCK.NONBLOCK);
        socket.closeOnFork = true;
        yield* connectUnix(socket, path);
        const { pid } = yield* socket.peerCredentials();
        return {
          problem: `is the socket of a server that listens (pid ${pid})`,
          remedy: "choose another name or directory, or end that server",
        };
      }),
    ).pipe(
      Effect.catchTag(
        "SyscallError",
        ({ errno }): Effect.Effect<Occupant> =>
          errno === "ECONNREFUSED"
            ? Effect.succeed("Leftover")
            : Effect.succeed({
                problem: `is a socket that is in use, or closed to us (${errno})`,
                remedy: "choose another name or directory",
              }),
      ),
    );
  };

/** How a socket is bound to a path. */
export interface ListenAtOptions {
  /** Flags of the socket: `SOCK.NONBLOCK`. */
  readonly flags?: number;
  /** Of the socket. A process that connects needs the right to write. */
  readonly mode: number;
  /** How many clients may wait. */
  readonly backlog: number;
  /** Whether the socket is to stay when the scope closes. */
  readonly stays?: () => boolean;
  /** What else the socket needs before it listens. */
  readonly prepare?: (socket: Socket) => Effect.Effect<void, HandleFailure>;
}

/**
 * A Unix socket that listens at a path, with the right mode from the first moment. What a dead server has left
 * there is replaced, and the scope removes what is still its own.
 */
export const listenAt: (
  thread: Thread,
  path: Path,
  options: ListenAtOptions,
) => Effect.Effect<Placed & { readonly socket: Socket }, Failure, Scope.Scope> = Effect.fnUntraced(
  function* (thread, path, { flags = 0, mode, backlog, stays, prepare }) {
    const { task } = thread;
    const outer = yield* Effect.scope;
    const socket = yield* Socket.make(task, AF.UNIX, SOCK.STREAM | flags);
    socket.closeOnFork = true;
    // bind(2) gives the file the mode of the socket, cut by the umask.
    yield* socket.chmod(0o600);
    if (prepare !== undefined) yield* prepare(socket);
    const placed = yield* Effect.scoped(
      Effect.gen(function* () {
        const made = (yield* workshop(thread, path)).join("socket");
        yield* bindUnix(socket, made);
        return yield* Effect.gen(function* () {
          if (mode !== 0o600) yield* chmod(task, made, mode);
          yield* socket.listen(backlog);
          return yield* Scope.provide(
            place(thread, made, path, judgeSocket(thread, path), stays),
            outer,
          );
        }).pipe(Effect.tapError(() => Effect.ignore(unlink(task, made))));
      }),
    );
    return { ...placed, socket };
  },
);
