import { SIG } from "@rsyscall/abi";
import type { HandleFailure, Pidfd } from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import type { ChildProcess } from "@rsyscall/thread";
import { Effect } from "effect";
import type { Ending } from "./processPlan.ts";

/** PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h. Since Linux 6.9; before it is EINVAL. */
const PROCESS_GROUP = 4;

/** How long the rest of a process group gets to follow its leader, in milliseconds. */
const GRACE = 1000;

/** How often the kernel is asked for the rest of a process group, in milliseconds. It does not tell. */
const POLL_INTERVAL = 10;

/** The longest that setTimeout can wait. */
const LONGEST = 2 ** 31 - 1;

/** A process, and the group that it leads. */
export interface Target {
  readonly process: ChildProcess;
  /** The process in the controller, which can use it whatever has become of the parent. */
  readonly pidfd: Pidfd;
  readonly leadsGroup: boolean;
}

/** A sleep on the real clock, whatever clock the program has: processes know no other. */
const sleep = (milliseconds: number): Effect.Effect<void> =>
  milliseconds > LONGEST
    ? Effect.never
    : Effect.callback<void>((resume) => {
        const timer = setTimeout(() => resume(Effect.void), milliseconds);
        return Effect.sync(() => clearTimeout(timer));
      });

/** The pidfd stands for the group even when the leader is no more, and never for another one. */
const signalGroup = (
  { process, pidfd }: Target,
  signal: number,
): Effect.Effect<void, HandleFailure> =>
  Effect.flatMap(pidfd.borrow(pidfd.task), (fd) =>
    near.callVoid(
      pidfd.task.sysif,
      "pidfd_send_signal",
      `process group ${process.pid}`,
      fd,
      signal,
      near.NULL,
      PROCESS_GROUP,
    ),
  ).pipe(
    // An old kernel; or the parent has rights, and sees processes, that the controller has or sees not.
    near.catchErrno(["EINVAL", "EPERM"], () => near.kill(process.task.sysif, -process.pid, signal)),
  );

const send = (target: Target, signal: number): Effect.Effect<void, HandleFailure> =>
  target.leadsGroup ? signalGroup(target, signal) : target.process.kill(signal);

/** Waits until the process has ended, or nobody will be told. */
const untilEnded = ({ process }: Target): Effect.Effect<void> =>
  Effect.asVoid(Effect.exit(process.wait));

/** Waits until there is nobody left in the process group. */
const untilEmpty = (target: Target): Effect.Effect<void> =>
  target.leadsGroup
    ? Effect.matchEffect(signalGroup(target, 0), {
        onSuccess: () => Effect.andThen(sleep(POLL_INTERVAL), untilEmpty(target)),
        onFailure: () => Effect.void,
      })
    : Effect.void;

/** Waits until all are gone, but not longer than this. Whether they are. */
const within = (milliseconds: number, gone: Effect.Effect<void>): Effect.Effect<boolean> =>
  Effect.raceFirst(Effect.as(gone, true), Effect.as(sleep(milliseconds), false));

/**
 * Ends a process and the group that it leads, and waits for it: for the process as long as it takes, and
 * for the others a second. With `forceKillAfter` all of them get that long, then SIGKILL, and a second.
 * ESRCH when there is nobody left.
 */
export const end = (
  target: Target,
  { signal, forceKillAfter }: Ending,
): Effect.Effect<void, HandleFailure> => {
  const gone = Effect.andThen(untilEnded(target), untilEmpty(target));
  const waiting =
    forceKillAfter === undefined
      ? Effect.andThen(untilEnded(target), within(GRACE, untilEmpty(target)))
      : Effect.flatMap(within(forceKillAfter, gone), (areGone) =>
          areGone
            ? Effect.void
            : Effect.andThen(Effect.ignore(send(target, SIG.KILL)), within(GRACE, gone)),
        );
  return Effect.andThen(send(target, signal), Effect.asVoid(waiting));
};
