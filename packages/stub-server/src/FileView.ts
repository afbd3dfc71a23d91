import { STATX, type Ucred } from "@rsyscall/abi";
import { getpid, type HandleFailure, readlink, statx, type Task } from "@rsyscall/handle";
import { getegid, geteuid, Path } from "@rsyscall/near";
import { Environment, type Thread } from "@rsyscall/thread";
import { Effect } from "effect";

/** A file system as a caller sees it, and what its process knows. */
export interface FileView {
  /** The process that looks. */
  readonly thread: Thread;
  /** The environment whose PATH counts. */
  readonly environ: Environment;
  /** The caller's executable. */
  readonly exe: Path;
}

/** As the process itself sees it. */
export const ownView = (thread: Thread): FileView => ({
  thread,
  environ: thread.environ,
  exe: Path.make("/proc/self/exe"),
});

/**
 * As the server sees it, if that is the same: the caller has the same root directory, in the same mount, which belongs to
 * one mount namespace, and may execute what the server may. Undefined if it is not the same, or not known to be.
 *
 * @param cwd the caller's working directory, from which relative directories of its PATH begin
 */
export const serverView = (
  thread: Thread,
  { pid, uid, gid }: Ucred,
  cwd: Path | undefined,
  environ: Environment,
): Effect.Effect<FileView | undefined> =>
  Effect.gen(function* () {
    const { task } = thread;
    if (pid <= 0 || !(yield* isOwnProc(task))) return undefined;
    if ((yield* geteuid(task.sysif)) !== uid || (yield* getegid(task.sysif)) !== gid)
      return undefined;
    const of = Path.make(`/proc/${pid}`);
    const [theirs, ours] = [yield* rootOf(task, of.join("root")), yield* rootOf(task, "/")];
    if (theirs === undefined || theirs !== ours) return undefined;
    const path = environ.get("PATH");
    const directories = path?.split(":");
    if (cwd === undefined && directories?.some((directory) => !directory.startsWith("/")))
      return undefined;
    const absolute = directories?.map((directory) => cwd?.join(directory).text ?? directory);
    return {
      thread,
      environ: Environment.fromRecord({ PATH: absolute?.join(":") }),
      exe: of.join("exe"),
    };
  }).pipe(Effect.orElseSucceed(() => undefined));

/** Whether /proc has the numbers of the task's own pid namespace. */
const isOwnProc = (task: Task): Effect.Effect<boolean, HandleFailure> =>
  Effect.gen(function* () {
    return (yield* readlink(task, "/proc/self")).text === String(yield* getpid(task));
  });

/** Names a directory and the mount that it is in. */
const rootOf = (
  task: Task,
  path: Path | string,
): Effect.Effect<string | undefined, HandleFailure> =>
  Effect.map(
    statx(task, path, 0, STATX.INO | STATX.MNT_ID),
    ({ mask, ino, mntId, devMajor, devMinor }) =>
      mask & STATX.MNT_ID ? `${mntId} ${devMajor}:${devMinor} ${ino}` : undefined,
  );
