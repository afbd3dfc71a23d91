import { EX } from "@rsyscall/abi";
import { UseAfterFreeError } from "@rsyscall/handle";
import { isGone, Path, printable, printableLines } from "@rsyscall/near";
import { Cause, Deferred, Duration, Effect, Exit, Fiber } from "effect";
import type { Door } from "./Door.ts";
import { HandlerError } from "./errors.ts";
import { settled } from "./handOver.ts";
import { toStderr } from "./logs.ts";
import type { StubCall } from "./StubCall.ts";
import { doorOf } from "./StubCall.ts";

/**
 * What answers a call. The number is the caller's exit status, from 0 to 255; nothing is 0. An async function
 * will do: what it rejects with is a defect.
 */
export type Handler<E = never, R = never> = (
  call: StubCall,
) => Effect.Effect<number | void, E, R> | Promise<number | void>;

/** Options of `StubServer.serve`. */
export interface ServeOptions<E = never, E2 = never, R2 = never> {
  /**
   * How long a handler may take. Then it is interrupted, its caller gets EX_TEMPFAIL (75) and a line on its
   * stderr, and the failure is a HandlerError. Default: for ever.
   */
  readonly deadline?: Duration.Input;
  /**
   * Gets the cause when a handler has failed, in place of the log. If it fails itself, `serve` fails with that,
   * after the caller has got its status: with `onFailure: Effect.failCause`, a handler that fails makes `serve`
   * fail. A call whose process was killed is no failure.
   */
  readonly onFailure?: (
    cause: Cause.Cause<E | HandlerError>,
    call: StubCall,
  ) => Effect.Effect<void, E2, R2>;
}

/** How long a handler that is interrupted may take to give back what it holds in its process. */
const GRACE = "1 second";

/** Runs an effect that may wait for processes' answers. Hangs up if the answers do not come in time. */
export const withGrace = <A, E, R>(
  doors: Iterable<Door>,
  effect: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> => {
  const hangUp = Effect.suspend(() =>
    Effect.forEach(doors, (door) => door.hangUp(), { discard: true }),
  );
  return Effect.flatMap(Effect.forkDetach(Effect.andThen(Effect.sleep(GRACE), hangUp)), (timer) =>
    Effect.ensuring(effect, Fiber.interrupt(timer)),
  );
};

/**
 * A call that was sent is waited for, even by a fiber that is interrupted. If the process does not
 * answer, because its call blocks or because it lies, only hanging up ends the wait.
 */
export const interruptibly = <A, E, R>(
  door: Door,
  handler: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkChild(restore(handler), { startImmediately: true }), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () =>
        withGrace([door], Fiber.interrupt(fiber)),
      ),
    ),
  );

/** The name that a caller has used, as its messages begin. */
const nameOf = (call: StubCall): string => printable(Path.make(call.argv[0] ?? "stub").name);

const handlerError = (reason: HandlerError["reason"], problem: string) =>
  Effect.fail(new HandlerError({ reason, problem }));

const shown = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value) : String(value);

/** Runs a handler of either form, and checks its status. Undefined if it has answered the call itself. */
const statusOf = <E, R>(
  call: StubCall,
  door: Door,
  handler: Handler<E, R>,
): Effect.Effect<number | undefined, E | HandlerError, R> =>
  Effect.suspend((): Effect.Effect<number | void, E | HandlerError, R> => {
    const answer = handler(call);
    if (Effect.isEffect(answer)) return answer;
    if (typeof answer?.then === "function") return Effect.promise(() => answer);
    return handlerError(
      "NoEffect",
      `the handler returned ${shown(answer)}, which is neither an Effect nor a Promise: return Effect.succeed(STATUS), or make it an async function`,
    );
  }).pipe(
    Effect.flatMap((answer): Effect.Effect<number | undefined, HandlerError> => {
      const status = answer as number | undefined;
      if (door.isAnswered && status !== undefined)
        return handlerError(
          "StatusInvalid",
          `the handler gave the status ${shown(status)} to a call that it has answered already: give the status to reply({ status }), and nothing to exec and handOver`,
        );
      if (status === undefined) return Effect.succeed(door.isAnswered ? undefined : EX.OK);
      if (Number.isInteger(status) && status >= 0 && status <= 255) return Effect.succeed(status);
      return handlerError(
        "StatusInvalid",
        `the handler gave the status ${shown(status)}, and an exit status is a whole number from 0 to 255`,
      );
    }),
  );

/**
 * Whether the process was killed, as by ^C, SIGPIPE or SIGKILL, and the handler failed because of that: an
 * ordinary end of a call.
 */
const wasKilled = (door: Door, cause: Cause.Cause<unknown>): boolean =>
  door.hasEnded &&
  cause.reasons.every((reason) =>
    reason._tag === "Fail"
      ? saysGone(reason.error)
      : reason._tag === "Die" && saysGone(reason.defect),
  );

/** The handles of a process that is gone are closed. */
const saysGone = (error: unknown): boolean => error instanceof UseAfterFreeError || isGone(error);

/**
 * Handles one call to its end. What `onFailure` fails with goes into `failed`. If the fiber is interrupted, it is to be
 * in `withGrace`.
 */
export const handleCall = <E, R, E2, R2>(
  call: StubCall,
  handler: Handler<E, R>,
  { deadline, onFailure }: ServeOptions<E, E2, R2>,
  failed: Deferred.Deferred<never, E2>,
): Effect.Effect<void, never, R | R2> => {
  const door = doorOf(call);
  const handled = statusOf(call, door, handler);
  const limited = deadline === undefined ? handled : within(deadline, door, handled);
  const exited = Effect.flatMap(limited, (status) =>
    status === undefined ? Effect.void : exit(call, door, status),
  );
  const ended = Effect.matchCauseEffect(exited, {
    onSuccess: () => (door.handed === undefined ? Effect.void : settled(door.handed)),
    onFailure: (cause) =>
      Cause.hasInterrupts(cause) || door.failure !== undefined
        ? Effect.ignore(Effect.failCause(cause))
        : fail(call, door, cause, onFailure, failed),
  });
  return Effect.onExitPrimitive(ended, () => door.release());
};

/** Interrupts a handler that takes too long. */
const within = <E, R>(
  deadline: Duration.Input,
  door: Door,
  handled: Effect.Effect<number | undefined, E | HandlerError, R>,
): Effect.Effect<number | undefined, E | HandlerError, R> =>
  Effect.timeoutOrElse(interruptibly(door, handled), {
    duration: deadline,
    orElse: () => {
      const limit = Duration.format(Duration.fromInputUnsafe(deadline));
      return handlerError("DeadlineExceeded", `the handler gave no status within ${limit}`);
    },
  });

/** Ends the process. One that has ended already, or was answered, needs no status. */
const exit = (call: StubCall, door: Door, status: number, stderr = ""): Effect.Effect<void> => {
  const { opened } = door;
  if (opened === undefined)
    return door.isWaiting ? Effect.ignore(call.reply({ stderr, status })) : Effect.void;
  const exited = Effect.ignore(opened.exit(status));
  return stderr === ""
    ? exited
    : Effect.andThen(Effect.ignore(opened.stderr.writeAllText(stderr)), exited);
};

/** Tells of a handler that has failed, and ends its process. */
const fail = <E, E2, R2>(
  call: StubCall,
  door: Door,
  cause: Cause.Cause<E | HandlerError>,
  onFailure: ServeOptions<E, E2, R2>["onFailure"],
  failed: Deferred.Deferred<never, E2>,
): Effect.Effect<void, never, R2> =>
  Effect.gen(function* () {
    if (wasKilled(door, cause))
      return yield* Effect.logDebug(`${nameOf(call)} (pid ${call.pid}) was killed`);
    const reported = yield* Effect.exit(
      onFailure === undefined ? log(call, cause) : onFailure(cause, call),
    );
    const error = Cause.squash(cause);
    const isLate = error instanceof HandlerError && error.reason === "DeadlineExceeded";
    const end = isLate
      ? withGrace(
          [door],
          exit(call, door, EX.TEMPFAIL, `${nameOf(call)}: rsyscall: ${error.problem}\n`),
        )
      : exit(call, door, EX.SOFTWARE);
    if (Exit.isSuccess(reported)) return yield* end;
    yield* withGrace([door], end);
    yield* Deferred.failCause(failed, reported.cause);
  });

const log = (call: StubCall, cause: Cause.Cause<unknown>) =>
  toStderr(
    Effect.logError(
      `The handler of ${nameOf(call)} (pid ${call.pid}) failed: ${printableLines(Cause.pretty(cause))}`,
    ),
  );
