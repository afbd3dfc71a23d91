import { O } from "@rsyscall/abi";
import {
  Directory,
  type HandleFailure,
  open,
  type Pidfd,
  readlink,
  type Task,
} from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import type { ChildProcess } from "@rsyscall/thread";
import { Effect } from "effect";
import { sleep } from "./sleep.ts";

/** PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h. Since Linux 6.9; before it is EINVAL. */
const PROCESS_GROUP = 4;

/** Milliseconds between looks at the rest of a process group: the kernel has no event for its end. */
const POLL_INTERVAL = 10;

/** A process and the group that it leads. */
export interface Target {
  readonly process: ChildProcess;
  /**
   * Handles, of different scopes, of the pidfd through which the process is signalled. One open handle is
   * enough.
   */
  readonly pidfds: ReadonlyArray<Pidfd>;
  readonly leadsGroup: boolean;
}

/** The handle by which a process is signalled now; undefined if all are closed. */
const pidfdOf = ({ pidfds }: Target): Pidfd | undefined => pidfds.find(({ isValid }) => isValid);

/** Signals a group. The pidfd stands for it even after the leader has ended, and never for another group. */
export const signalGroup = (target: Target, signal: number): Effect.Effect<void, HandleFailure> =>
  Effect.suspend(() => {
    const { process } = target;
    const subject = `process group ${process.pid}`;
    const pidfd = pidfdOf(target);
    if (pidfd === undefined)
      return Effect.fail(near.SyscallError.of("pidfd_send_signal", "ESRCH", subject));
    const { sysif } = pidfd.task;
    const byPidfd = near
      .pidfdSendSignal(sysif, pidfd.near, signal, near.NULL, PROCESS_GROUP)
      .about(subject);
    return byPidfd.pipe(
      // The kernel is too old; or only the parent has the rights, or sees the processes.
      // The number belongs to the namespace that the child was started from, which need not be the parent's.
      near.catchErrno(["EINVAL", "EPERM", "ENOSYS"], () =>
        Effect.flatMap(process.pidIn(process.task), (group) =>
          near.kill(process.task.sysif, -group, signal),
        ),
      ),
    );
  });

/**
 * Waits until the process group is empty. Zombies stay in it until their parent waits for them, which the
 * first process of a container may do late, or never. So where /proc shows them, zombies do not count.
 */
export const untilEmpty = Effect.fnUntraced(function* (target: Target): Effect.fn.Return<void> {
  const { process } = target;
  const { task } = pidfdOf(target) ?? process;
  const isSeen = task.namespaces.pid.is(process.task.namespaces.pid);
  const observer = isSeen ? task : process.task;
  const group = yield* Effect.orElseSucceed(process.pidIn(observer), () => undefined);
  for (let alive: number | undefined; ; ) {
    if (yield* Effect.isFailure(signalGroup(target, 0))) return;
    yield* sleep(POLL_INTERVAL);
    const known = alive === undefined ? undefined : yield* memberOf(observer, group, alive);
    if (known?.hasEnded === false) continue;
    const members = group === undefined ? [] : yield* membersOf(observer, group);
    alive = members.find(({ hasEnded }) => !hasEnded)?.pid;
    if (alive === undefined && members.length > 0) return;
  }
});

interface Member {
  readonly pid: number;
  /** It has ended, and its parent has not waited for it. */
  readonly hasEnded: boolean;
}

/** The processes of a group that /proc shows: none without a /proc, or with that of another namespace. */
const membersOf = (task: Task, group: number): Effect.Effect<ReadonlyArray<Member>> =>
  Effect.flatMap(readlink(task, "/proc/self"), ({ text }) =>
    text === String(task.pid)
      ? Effect.scoped(
          Effect.flatMap(Directory.make(task, "/proc"), (directory) => directory.entries()),
        )
      : Effect.succeed([]),
  ).pipe(
    Effect.flatMap((entries) =>
      Effect.forEach(
        entries.map(({ name }) => Number(name)).filter(Number.isInteger),
        (pid) => memberOf(task, group, pid),
        { concurrency: 64 },
      ),
    ),
    Effect.map((members) => members.filter((member) => member !== undefined)),
    Effect.orElseSucceed(() => []),
  );

/** Parses /proc/PID/stat of a process in the group; undefined for one outside it. See proc_pid_stat(5). */
const memberOf = (
  task: Task,
  group: number | undefined,
  pid: number,
): Effect.Effect<Member | undefined> =>
  Effect.scoped(
    Effect.flatMap(open(task, `/proc/${pid}/stat`, O.RDONLY), (fd) => fd.readBytes(1024)),
  ).pipe(
    Effect.map((bytes) => {
      const text = Buffer.from(bytes).toString("latin1");
      // The name before these fields may contain parentheses and spaces.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      const [state = "", , processGroup] = fields;
      // The first thread may have ended before others.
      const threads = Number(fields[17]);
      return Number(processGroup) === group
        ? { pid, hasEnded: (state === "Z" && threads <= 1) || state === "X" }
        : undefined;
    }),
    Effect.orElseSucceed(() => undefined),
  );
