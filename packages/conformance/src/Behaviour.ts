import { TaggedError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Cause, Duration, Effect, Exit, Fiber, Option, type Scope } from "effect";
import { NotHere } from "./internal/expect.ts";
import { type Lacks, Subject, type TransportUnderTest } from "./Transport.ts";

/** A requirement of a behaviour, without which it is skipped. */
export type Need = keyof Lacks | "cut" | "controller";

type Services = Scope.Scope | LocalThread | Subject;

/** A behaviour of a correct transport. */
export interface Behaviour {
  /** Its topic. */
  readonly topic: string;
  /** The behaviour, as the end of the sentence "a right transport ...". */
  readonly name: string;
  /** Its requirements. */
  readonly needs: ReadonlyArray<Need>;
  /** Checks the behaviour: fails, or dies, if the transport behaves differently. See `check`. */
  readonly run: () => Effect.Effect<void, unknown, Services>;
}

type Run = () => Generator<Effect.Effect<unknown, unknown, Services>, void, never>;

/** Makes a behaviour, without its topic, from a generator as for Effect.gen. */
export const behaviour = (
  name: string,
  needs: ReadonlyArray<Need>,
  run: Run,
): Omit<Behaviour, "topic"> => ({ name, needs, run: () => Effect.gen(run as never) });

/** Adds a topic to behaviours. */
export const topic = (
  name: string,
  behaviours: ReadonlyArray<Omit<Behaviour, "topic">>,
): ReadonlyArray<Behaviour> => behaviours.map((of) => ({ topic: name, ...of }));

/** A transport does not behave as it should. */
export class NonconformanceError extends TaggedError("NonconformanceError")<{
  /** The expected behaviour: its name and topic. */
  readonly behaviour: string;
  readonly topic: string;
  /** What the transport does instead. */
  readonly problem: string;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return `a right transport ${this.behaviour}.\nThis one does not: ${this.problem}`;
  }
}

/** Returns the reason why a behaviour must be skipped; undefined if it can be checked. */
export const reasonToSkip = (
  { needs }: Behaviour,
  transport: TransportUnderTest,
): string | undefined => {
  for (const need of needs) {
    const reason =
      need === "cut" || need === "controller"
        ? transport[need] === undefined && `${need} is not given`
        : transport.lacks?.[need];
    if (typeof reason === "string") return reason;
  }
  return undefined;
};

/**
 * Checks a behaviour of a transport. Gives a reason if it could not be checked, because the environment of the Thread
 * lacks a requirement.
 */
export const check = (
  behaviour: Behaviour,
  transport: TransportUnderTest,
): Effect.Effect<string | undefined, NonconformanceError> => {
  const reason = reasonToSkip(behaviour, transport);
  if (reason !== undefined) return Effect.succeed(reason);
  const { name, topic } = behaviour;
  const fail = (problem: string, cause?: unknown) =>
    Effect.fail(new NonconformanceError({ behaviour: name, topic, problem, cause }));
  return Effect.gen(function* () {
    const subject = { transport, waitsFor: undefined as string | undefined };
    let isClosing = false;
    const run = Effect.ensuring(
      behaviour.run(),
      Effect.sync(() => (isClosing = true)),
    );
    const fiber = yield* Effect.forkDetach(
      Effect.scoped(run).pipe(
        Effect.provideService(Subject, subject),
        Effect.provide(LocalThread.layer),
      ),
    );
    // A fiber that does not end may not be interruptible either, so its interruption is not waited for.
    const stop = Effect.sync(() => fiber.interruptUnsafe());
    const timeout = transport.timeout ?? "10 seconds";
    const exit = yield* Fiber.await(fiber).pipe(
      Effect.timeoutOption(timeout),
      Effect.onInterrupt(() => stop),
    );
    if (Option.isNone(exit)) {
      const limit = Duration.format(Duration.fromInputUnsafe(timeout));
      const problem = isClosing
        ? `its scope has not closed within ${limit}`
        : subject.waitsFor === undefined
          ? `no end within ${limit}`
          : `within ${limit} it has not come to this: ${subject.waitsFor}`;
      yield* stop;
      return yield* fail(problem);
    }
    if (Exit.isSuccess(exit.value)) return undefined;
    const error = Cause.squash(exit.value.cause);
    if (error instanceof NotHere) return error.message;
    return yield* fail(error instanceof Error ? error.message : String(error), error);
  });
};
