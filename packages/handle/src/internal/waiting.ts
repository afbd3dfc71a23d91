import { catchErrno } from "@rsyscall/near";
import { Effect } from "effect";
import type { Step } from "../clone.ts";
import type { HandleFailure } from "../errors.ts";
import type { Task } from "../Task.ts";

/** A call that may have to wait for another process to give up a lock. */
export interface WaitingCall {
  /** The call that does not wait: EAGAIN, or EACCES, if it would have to. */
  readonly now: Effect.Effect<void, HandleFailure>;
  /** The call that waits, for the helper. */
  readonly later: Step;
  /** The call that waits, for a task without a helper. */
  readonly inTask: Effect.Effect<void, HandleFailure>;
  /** Gives up what the call may have taken before it was interrupted. */
  readonly undo: Effect.Effect<void, HandleFailure>;
}

/** Makes a part of an operation interruptible, if the operation itself is. */
export type Restore = <A, E, R>(part: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>;

/**
 * Makes a call that waits for a lock. The lock belongs to the open file, or to the descriptor table; the helper
 * shares both with the task, so it is the task that has the lock afterwards. A helper that is killed may just have
 * been given the lock: so an interruption undoes it.
 *
 * @param restore the rest is not interruptible, so that a lock that was taken is not lost
 */
export const waiting = (
  task: Task,
  { now, later, inTask, undo }: WaitingCall,
  restore: Restore,
): Effect.Effect<void, HandleFailure> =>
  catchErrno(now, ["EAGAIN", "EACCES"], () =>
    task.helper === undefined
      ? inTask
      : Effect.onInterrupt(restore(task.helper.call(later)), () => Effect.ignore(undo)),
  );

/** Makes a call that takes a lock; an interruption leaves what it locks unlocked. */
export const locking = (
  undo: Effect.Effect<void, HandleFailure>,
  lock: (restore: Restore) => Effect.Effect<void, HandleFailure>,
): Effect.Effect<void, HandleFailure> =>
  Effect.onInterrupt(Effect.uninterruptibleMask(lock), () => Effect.ignore(undo));

/** Takes a lock that the scope releases. */
export const heldLock = (
  release: Effect.Effect<void, HandleFailure>,
  lock: (restore: Restore) => Effect.Effect<void, HandleFailure>,
) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.andThen(
      lock(restore),
      Effect.addFinalizer(() => Effect.ignore(release)),
    ),
  );
