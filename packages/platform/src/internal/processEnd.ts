import { SIG } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import { Effect } from "effect";
import { signalGroup, type Target, untilEmpty } from "./processGroup.ts";
import type { Ending } from "./processPlan.ts";
import { sleep } from "./sleep.ts";

/** How long the rest of a process group gets to follow its leader, in milliseconds. */
const GRACE = 1000;

const send = (target: Target, signal: number): Effect.Effect<void, HandleFailure> =>
  target.leadsGroup ? signalGroup(target, signal) : target.process.kill(signal);

/** Waits until the process has ended, or nobody will be told. */
const untilEnded = ({ process }: Target): Effect.Effect<void> =>
  Effect.asVoid(Effect.exit(process.wait()));

/** Waits for those who were to follow the process. */
const untilFollowed = (target: Target): Effect.Effect<void> =>
  target.leadsGroup ? untilEmpty(target) : Effect.void;

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
