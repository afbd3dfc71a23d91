import { catchErrno } from "@rsyscall/near";
import type { LocalThread, Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { Subject } from "../Transport.ts";
import { NotHere } from "./expect.ts";

/** Makes a new Thread of the transport. */
export const newThread: Effect.Effect<Thread, unknown, Subject | Scope.Scope | LocalThread> =
  Effect.flatMap(Subject, ({ transport }) => transport.makeThread());

/** Cuts a Thread of the transport. */
export const cut = (thread: Thread): Effect.Effect<void, unknown, Subject> =>
  Effect.flatMap(Subject, ({ transport }) => transport.cut?.(thread) ?? Effect.void);

/** Names the event for which an effect waits, for the message if it does not come. */
export const waiting = <A, E, R>(
  what: string,
  effect: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R | Subject> =>
  Effect.flatMap(Subject, (subject) =>
    Effect.suspend(() => {
      const before = subject.waitsFor;
      subject.waitsFor = what;
      return Effect.onExit(effect, () => Effect.sync(() => (subject.waitsFor = before)));
    }),
  );

/** Waits until a condition is true. */
export const until = <E, R>(
  what: string,
  condition: Effect.Effect<boolean, E, R>,
): Effect.Effect<void, E, R | Subject> => {
  const loop: Effect.Effect<void, E, R> = Effect.flatMap(condition, (isSo) =>
    isSo ? Effect.void : Effect.andThen(Effect.yieldNow, loop),
  );
  return waiting(what, loop);
};

/** Skips the behaviour if the kernel does not permit the effect here: the transport cannot change that. */
export const ifPermitted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    catchErrno(["EPERM", "EACCES", "ENOSPC", "EUSERS"], (error) =>
      Effect.fail(new NotHere({ reason: error.message })),
    ),
  );

/** Runs an effect in a fiber that starts immediately. */
export const beside = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkChild(effect, { startImmediately: true });
