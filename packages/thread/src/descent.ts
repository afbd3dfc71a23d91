import { O } from "@rsyscall/abi";
import { getpid, open, type Pidfd, readlink, type Task } from "@rsyscall/handle";
import { Pid } from "@rsyscall/near";
import { Effect } from "effect";

/*
 * Whose child a process is, as the kernel shows it. A task only claims that a process is its child: the
 * descriptor may be of any process, and the controller may have rights that the task lacks.
 */

/** A process by which its descendants are recognised. */
export interface Ancestor {
  /**
   * Its number in the controller's pid namespace, as the kernel shows it. If the process ends unnoticed and
   * another process gets the number, only those descendants of the other process count that `uid` may signal.
   */
  readonly pid: number;
  /**
   * The user whose rights it has: it may signal the processes that kill(2) lets that user signal. Undefined if it
   * is a child that the controller has started itself: the controller may signal all its descendants.
   */
  readonly uid: number | undefined;
  /** Whether another process may have the number by now. */
  readonly isGone: () => boolean;
}

/** The longest chain of parents that is followed. A longer one may be an attempt to keep the controller busy. */
const GENERATIONS = 64;

/** The number of a process in a task's pid namespace; undefined if it cannot be seen in the task's /proc. */
export const numberIn = (task: Task, pidfd: Pidfd): Effect.Effect<Pid | undefined> =>
  Effect.gen(function* () {
    const own = yield* getpid(task);
    // Otherwise this is the /proc of another pid namespace, with the numbers of that one.
    if ((yield* readlink(task, "/proc/self")).text !== String(own)) return undefined;
    const fd = yield* pidfd.borrow(task);
    const pid = field(yield* text(task, `/proc/self/fdinfo/${fd}`), "Pid")[0] ?? -1;
    // 0 means that the process cannot be seen from there, and -1 that it was waited for.
    return pid > 0 ? Pid(pid) : undefined;
  }).pipe(Effect.orElseSucceed(() => undefined));

/**
 * Whether a process may be signalled with the controller's own rights: it is not the controller, it descends from
 * this ancestor, and kill(2) would let the ancestor's user signal it. False if that cannot be seen: without
 * /proc, or with that of another pid namespace.
 *
 * @param task in the controller's own process
 * @param pidfd of the task's
 */
export const descends = (
  task: Task,
  pidfd: Pidfd,
  { pid: ancestor, uid, isGone }: Ancestor,
): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const pid = yield* numberIn(task, pidfd);
    if (pid === undefined || pid === task.pid) return false;
    const { real, saved, ...first } = yield* processOf(task, pid);
    if (uid !== undefined && uid !== 0 && uid !== real && uid !== saved) return false;
    let { parent } = first;
    for (let i = 1; i < GENERATIONS && parent > 0 && parent !== ancestor; i++)
      parent = (yield* processOf(task, parent)).parent;
    return parent === ancestor && !isGone();
  }).pipe(Effect.orElseSucceed(() => false));

/** Reads a small file of /proc, which takes one read(2). */
const text = (task: Task, path: string) =>
  Effect.scoped(
    Effect.flatMap(open(task, path, O.RDONLY), (file) =>
      Effect.map(file.readBytes(4096), (bytes) => Buffer.from(bytes).toString("latin1")),
    ),
  );

/** The numbers of a line `NAME:\t...`: proc_pid_status(5). A newline in a process's name is escaped. */
const field = (text: string, name: string): ReadonlyArray<number> =>
  (new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "").split(/\s+/).map(Number);

const processOf = (task: Task, pid: number) =>
  Effect.map(text(task, `/proc/${pid}/status`), (status) => {
    const [real, , saved] = field(status, "Uid");
    return { parent: field(status, "PPid")[0] ?? 0, real, saved };
  });
