import { Cause, Duration, Effect, FiberSet, Option, type Scope } from "effect";
import { allow, type Decision, type Deny, deny, isDecision } from "../Decision.ts";
import type { ExecCall } from "../ExecCall.ts";

/** A decision, and why it is not that of the function. */
export interface Decided {
  readonly decision: Decision;
  readonly failure: string | undefined;
}

/** Decides a call, at once or later, and tells it exactly once unless the scope closes before. */
export type Decide = (call: ExecCall, tell: (decided: Decided) => void) => void;

const allowed: Decided = { decision: allow, failure: undefined };

const failed = (failure: string): Decided => ({ decision: deny(failure) satisfies Deny, failure });

const checked = (value: unknown): Decided =>
  isDecision(value)
    ? { decision: value, failure: undefined }
    : failed("the decision is neither `allow` nor `deny(...)`");

const messageOf = (error: unknown): string =>
  `the decision failed: ${error instanceof Error ? error.message : String(error)}`;

/** Makes the decisions of a function; all calls are allowed without one. */
export const decisions = <E, R>(
  decide: ((call: ExecCall) => Decision | Effect.Effect<Decision, E, R>) | undefined,
  deadline: Duration.Input,
): Effect.Effect<Decide, never, R | Scope.Scope> => {
  if (decide === undefined) return Effect.succeed((_, tell) => tell(allowed));
  const late = failed(
    `there was no decision within ${Duration.format(Duration.fromInputUnsafe(deadline))}`,
  );
  return Effect.map(FiberSet.makeRuntime<R, void, never>(), (fork) => (call, tell) => {
    let decision: Decision | Effect.Effect<Decision, E, R>;
    try {
      decision = decide(call);
    } catch (error) {
      tell(failed(messageOf(error)));
      return;
    }
    if (!Effect.isEffect(decision)) {
      tell(checked(decision));
      return;
    }
    fork(
      decision.pipe(
        Effect.timeoutOption(deadline),
        Effect.map((value) => (Option.isNone(value) ? late : checked(value.value))),
        Effect.catchCause((cause) =>
          // The scope closes: nothing is told any more.
          Cause.hasInterruptsOnly(cause)
            ? Effect.succeed(failed("the decision was interrupted"))
            : Effect.succeed(failed(messageOf(Cause.squash(cause)))),
        ),
        Effect.map(tell),
      ),
    );
  });
};
