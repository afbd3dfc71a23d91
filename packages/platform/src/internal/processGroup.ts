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

/** How often the kernel is asked for the rest of a process group, in milliseconds. It does not tell. */
const POLL_INTERVAL = 10;

/** A process, and the group that it leads. */
export interface Target {
  readonly process: ChildProcess;
  /**
   * The descriptor through which it is signalled, as handles of different scopes: as long as one of these is
   * good, it can be.
   */
  readonly pidfds: ReadonlyArray<Pidfd>;
  readonly leadsGroup: boolean;
}

/** The handle by which a process is signalled now; undefined if nothing is left of it. */
const pidfdOf = ({ pidfds }: Target): Pidfd | undefined => pidfds.find(({ isValid }) => isValid);

/** The pidfd stands for the group even when the leader is no more, and never for another one. */
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
      // An old kernel; or the parent has rights, and sees processes, that the controller has or sees not.
      // The number is one of the namespace that the child was started from, which need not be the parent's.
      near.catchErrno(["EINVAL", "EPERM", "ENOSYS"], () =>
        Effect.flatMap(process.pidIn(process.task), (group) =>
          near.kill(process.task.sysif, -group, signal),
        ),
      ),
    );
  });

/**
 * Waits until there is nobody left in the process group. Those whose end nobody takes note of stay in it:
 * the first process of a container need not do so at once, or at all. So /proc is asked for them, where it
 * shows them.
 */
export const untilEmpty = (target: Target): Effect.Effect<void> =>
  Effect.gen(function* () {
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
  /** And nobody has waited for it. */
  readonly hasEnded: boolean;
}

/** Those of a process group that /proc shows. None if there is no /proc, or that of another namespace. */
const membersOf = (task: Task, group: number): Effect.Effect<ReadonlyArray<Member>> =>
  Effect.flatMap(readlink(task, "/proc/self"), ({ text }) =>
    text === String(task.pid)
      ? Effect.scoped(Effect.flatMap(Directory.open(task, "/proc"), ({ entries }) => entries))
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

/** What /proc/PID/stat says of a process, if that is in the group: see proc_pid_stat(5). */
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
      // The name before may have parentheses and spaces in it.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      const [state = "", , processGroup] = fields;
      // The first thread may have ended, and others not.
      const threads = Number(fields[17]);
      return Number(processGroup) === group
        ? { pid, hasEnded: (state === "Z" && threads <= 1) || state === "X" }
        : undefined;
    }),
    Effect.orElseSucceed(() => undefined),
  );
