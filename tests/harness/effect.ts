import { LocalThread } from "@rsyscall/thread";
import { Effect, Metric, type Scope } from "effect";
import { describe, it as vitestIt } from "vitest";

let started = 0;
let ended = 0;

/** Fibers of tests that have not ended. */
export const liveFibers = (): number => started - ended;

const counting = {
  recordFiberStart: () => {
    started++;
  },
  recordFiberEnd: () => {
    ended++;
  },
};

/** Counts the fibers of an effect among those that have to end. */
export const counted: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =
  Effect.provideService(Metric.FiberRuntimeMetrics, counting);

/** Runs a test's effect with a scope of its own and the Thread of this process. */
export const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope | LocalThread>): Promise<A> =>
  Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(LocalThread.layer), counted));

type Test = () => Generator<
  Effect.Effect<unknown, unknown, Scope.Scope | LocalThread>,
  void,
  never
>;

/** A test that is an Effect, on the real clock, written as for Effect.gen. */
export const it = Object.assign(
  (name: string, test: Test, timeout?: number) =>
    vitestIt(name, () => run(Effect.gen(test as never)), timeout),
  {
    /** Skips by name and reason unless the reason is undefined. */
    skipIf: (reason: string | undefined) => (name: string, test: Test, timeout?: number) =>
      vitestIt.skipIf(reason !== undefined)(
        reason === undefined ? name : `${name} (skipped: ${reason})`,
        () => run(Effect.gen(test as never)),
        timeout,
      ),
  },
);

/** As `describe`, with a reason to skip it all, which is shown. */
export const describeUnless = (
  reason: string | undefined,
  name: string,
  tests: () => void,
): void => {
  describe.skipIf(reason !== undefined)(reason ? `${name} (skipped: ${reason})` : name, tests);
};
