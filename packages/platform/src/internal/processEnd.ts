import { SIG } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import { Effect } from "effect";
import { signalGroup, type Target, untilEmpty } from "./processGroup.ts";
import type { Ending } from "./processPlan.ts";
import { sleep } from "./sleep.ts";

/** Milliseconds that the rest of a process group gets to end after its leader. */
const GRACE = 1000;

const send = (target: Target, signal: number): Effect.Effect<void, HandleFailure> =>
  target.leadsGroup ? signalGroup(target, signal) : target.process.kill(signal);

/** Waits until the process has ended, or until its end can no longer be learnt. */
const untilEnded = ({ process }: Target): Effect.Effect<void> =>
  Effect.asVoid(Effect.exit(process.wait()));

/** Waits for the rest of the process group to end. */
const untilFollowed = (target: Target): Effect.Effect<void> =>
  target.leadsGroup ? untilEmpty(target) : Effect.void;

/** Waits until the group is gone, at most for this time. True if it is gone. */
const within = (milliseconds: number, gone: Effect.Effect<void>): Effect.Effect<boolean> =>
  Effect.raceFirst(Effect.as(gone, true), Effect.as(sleep(milliseconds), false));

/**
 * Signals a process and the group that it leads, and waits: for the process without limit, for the others a
 * second. With `forceKillAfter` all of them get that long, then SIGKILL, and another second. ESRCH if no
 * process is left.
 */
export const end = (
  target: Target,
  { signal, forceKillAfter }: Ending,
): Effect.Effect<void, HandleFailure> => {
  const gone = Effect.andThen(untilEnded(target), untilFollowed(target));
  const waiting =
    forceKillAfter === undefined
      ? Effect.andThen(untilEnded(target), within(GRACE, untilFollowed(target)))
      : Effect.flatMap(within(forceKillAfter, gone), (areGone) =>
          areGone
            ? Effect.void
            : Effect.andThen(Effect.ignore(send(target, SIG.KILL)), within(GRACE, gone)),
        );
  return Effect.andThen(send(target, signal), Effect.asVoid(waiting));
};
