import { AF, AT, O, S_IF, S_IFMT, SOCK, type Stat } from "@rsyscall/abi";
import {
  connectUnix,
  type HandleFailure,
  mkdir,
  open,
  readlink,
  rename,
  rmdir,
  Socket,
  stat,
  type Task,
  unlink,
} from "@rsyscall/handle";
import { callVoid, catchErrno, geteuid, Path, SyscallError } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { StubServerError } from "./errors.ts";
import { isStub } from "./stubFile.ts";

/*
 * Files get their names whole: made ready in a directory of ours alone, and then renamed. So nothing lies
 * between us and what we change the mode of, even in a directory that others may write; a socket listens as
 * soon as it has its name; and what we remove in the end is what we have placed.
 */

type Failure = HandleFailure | StubServerError;

/** What lies at a path where something of ours shall be. */
export type Occupant =
  /** A dead server has left it: it may be replaced. */
  "Leftover" | { readonly problem: string; readonly remedy: string };

const RENAME_NOREPLACE = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

const lstat = (task: Task, path: Path): Effect.Effect<Stat, HandleFailure> =>
  stat(task, path, AT.SYMLINK_NOFOLLOW);

/** A file system gives the number of a file that was removed to the next one: the time tells them apart. */
const isSame = (one: Stat, other: Stat): boolean =>
  one.dev === other.dev &&
  one.ino === other.ino &&
  one.mtime.seconds === other.mtime.seconds &&
  one.mtime.nanoseconds === other.mtime.nanoseconds;

/**
 * A new directory beside a path, which only this user may enter, as a path that others cannot lead elsewhere.
 * The scope removes it.
 */
export const workshop = (
  { task }: Thread,
  beside: Path,
): Effect.Effect<Path, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const path = beside.parent.join(`.rsyscall-${crypto.randomUUID()}`);
    yield* Effect.acquireRelease(mkdir(task, path, 0o700), () => Effect.ignore(rmdir(task, path)));
    // A child that writes a file there reaches it by its own copy of this descriptor.
    const directory = yield* open(task, path, O.PATH | O.DIRECTORY | O.NOFOLLOW);
    const { uid, mode } = yield* directory.fstat;
    // Where others may write, they may have put another one in its place.
    if (uid !== (yield* geteuid(task.sysif)) || (mode & 0o077) !== 0)
      return yield* SyscallError.of("mkdir", "EPERM", path.text);
    return Path.make(`/proc/self/fd/${directory.near}`);
  });

/**
 * Gives a file its name, until the scope closes. The name must be free, or what a dead server has left. Of
 * two servers that find the same leftover one gets the name, and the other one is told so.
 *
 * @param judge says what an existing file is
 * @returns whether it has replaced a leftover
 */
export const place = (
  thread: Thread,
  from: Path,
  path: Path,
  judge: (found: Stat) => Effect.Effect<Occupant, Failure>,
): Effect.Effect<boolean, Failure, Scope.Scope> => {
  const { task } = thread;
  const placed = Effect.gen(function* () {
    const own = yield* lstat(task, from);
    const hasReplaced = yield* Effect.as(rename(task, from, path, RENAME_NOREPLACE), false).pipe(
      // A file system that knows no such flag (NFS). link(2) never replaces either.
      catchErrno("EINVAL", () => Effect.as(linkInstead(task, from, path), false)),
      catchErrno("EEXIST", () => Effect.scoped(takeOver(thread, from, path, judge))),
    );
    return { own, hasReplaced };
  });
  const remove = (own: Stat) =>
    Effect.flatMap(lstat(task, path), (found) =>
      isSame(own, found) ? unlink(task, path) : Effect.void,
    );
  return Effect.map(
    Effect.acquireRelease(placed, ({ own }) => Effect.ignore(remove(own))),
    ({ hasReplaced }) => hasReplaced,
  );
};

const linkInstead = (task: Task, from: Path, path: Path): Effect.Effect<void, HandleFailure> =>
  Effect.andThen(
    task.withPath("link", from, (source) =>
      task.withPath("link", path, (target) =>
        callVoid(task.sysif, "linkat", path.text, AT.FDCWD, source, AT.FDCWD, target, 0),
      ),
    ),
    unlink(task, from),
  );

/** Puts a file in the place of a leftover. The lock on the directory makes servers do so one at a time. */
const takeOver = (
  thread: Thread,
  from: Path,
  path: Path,
  judge: (found: Stat) => Effect.Effect<Occupant, Failure>,
): Effect.Effect<boolean, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const { task } = thread;
    yield* lock(task, path.parent);
    const found = yield* Effect.catchIf(
      Effect.asSome(lstat(task, path)),
      (error) => error._tag === "SyscallError" && error.errno === "ENOENT",
      () => Effect.succeedNone,
    );
    // Its server has closed meanwhile.
    if (found._tag === "None")
      return yield* Effect.as(rename(task, from, path, RENAME_NOREPLACE), false);
    const occupant = yield* judge(found.value);
    if (occupant !== "Leftover")
      return yield* new StubServerError({ reason: "NameTaken", subject: path.text, ...occupant });
    return yield* Effect.as(rename(task, from, path), true);
  });

/** How often it is tried to lock a directory, 10 ms apart: servers hold the lock for a moment only. */
const LOCK_ATTEMPTS = 200;

/** flock(2) of a directory until the scope closes, however its owner ends. Without blocking its thread. */
const lock = (task: Task, path: Path): Effect.Effect<void, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* open(task, path, O.RDONLY | O.DIRECTORY);
    directory.closeOnFork = true;
    const fd = yield* directory.borrow(task);
    const attempt = (left: number): Effect.Effect<void, HandleFailure> => {
      const once = callVoid(task.sysif, "flock", path.text, fd, LOCK_EX | LOCK_NB);
      return left === 0
        ? once
        : catchErrno("EAGAIN", () => Effect.delay(attempt(left - 1), "10 millis"))(once);
    };
    yield* attempt(LOCK_ATTEMPTS);
  });

const kindOf = ({ mode }: Stat): string => {
  const kinds: Readonly<Record<number, string>> = {
    [S_IF.DIR]: "is a directory",
    [S_IF.LNK]: "is a link to something that is not ours",
    [S_IF.SOCK]: "is a socket",
    [S_IF.REG]: "is a file that is not ours",
  };
  return kinds[mode & S_IFMT] ?? "is there already, and not ours";
};

const OTHER_PLACE = "choose another directory, and put that before this one in PATH";

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
        const { pid } = yield* socket.peerCredentials;
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

/** What lies where a server says how long stubs wait for it. */
export const judgeTimeout =
  ({ task }: Thread, path: Path) =>
  (found: Stat): Effect.Effect<Occupant, Failure> => {
    const other = { problem: kindOf(found), remedy: "choose another name, or another directory" };
    return (found.mode & S_IFMT) === S_IF.LNK
      ? Effect.map(readlink(task, path), ({ text }) => (/^\d+$/.test(text) ? "Leftover" : other))
      : Effect.succeed(other);
  };

/** More than any of them has. */
const EXECUTABLE_SIZE_AT_MOST = 4 * 1024 * 1024;

/** What lies at the path of an executable. Its socket is ours by now, so a stub there has no other server. */
export const judgeExecutable =
  (thread: Thread, path: Path, stub: Path) =>
  (found: Stat): Effect.Effect<Occupant, Failure> =>
    Effect.map(isExecutableOfOurs(thread, path, stub, found), (itIs) =>
      itIs ? "Leftover" : { problem: kindOf(found), remedy: OTHER_PLACE },
    );

const isExecutableOfOurs = (
  thread: Thread,
  path: Path,
  stub: Path,
  { mode, size }: Stat,
): Effect.Effect<boolean, HandleFailure> => {
  const kind = mode & S_IFMT;
  if (kind === S_IF.LNK)
    return Effect.map(readlink(thread.task, path), ({ name }) => name === stub.name);
  if (kind !== S_IF.REG || size > EXECUTABLE_SIZE_AT_MOST) return Effect.succeed(false);
  return Effect.scoped(
    Effect.flatMap(thread.open(path, O.RDONLY | O.NOFOLLOW | O.NONBLOCK), (file) =>
      Effect.map(file.readBytes(Number(size)), isStub),
    ),
  ).pipe(catchErrno("EACCES", () => Effect.succeed(false)));
};
