import { readdirSync, readlinkSync } from "node:fs";
import { prctl } from "@rsyscall/handle";
import { counted, here, inFork, inStub } from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Context, Effect, Layer, ManagedRuntime, type Scope } from "effect";
import { afterAll, assert, beforeAll, describe, it as vitestIt } from "vitest";

type Behaviour = (
  thread: Thread,
) => Generator<Effect.Effect<unknown, unknown, Scope.Scope | LocalThread>, void, never>;

/** Declares a test of the kind: its generator gets the Thread, and what it acquires is given back at its end. */
export interface KindTest {
  (name: string, behaviour: Behaviour): void;
  /** Skips by name and reason unless the reason is undefined. */
  skipIf(reason: string | undefined): (name: string, behaviour: Behaviour) => void;
}

class KindThread extends Context.Service<KindThread, Thread>()("KindThread") {}

/** The descriptors of a process of this machine, as "number -> what". */
const descriptors = (pid: number): ReadonlyArray<string> =>
  readdirSync(`/proc/${pid}/fd`).map((fd) => `${fd} -> ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`);

/**
 * A Thread of the kind. In this process the harness sees what tests leave open; in another one, its end would hide it.
 */
const opened = (open: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>) =>
  Effect.gen(function* () {
    const thread = yield* open;
    const { pid } = thread.task;
    // A child of another file may have changed its ids, in the memory of this process: see `setuid`.
    yield* prctl.setDumpable(thread, 1);
    if (pid === process.pid) return thread;
    // What waits, and what passes descriptors, needs some that stay.
    yield* Effect.scoped(Effect.flatMap(thread.pipe(), ([reader]) => thread.makeAfd(reader)));
    yield* Effect.scoped(thread.connection.openChannels(1));
    const before = descriptors(pid);
    // Descriptors are closed without waiting for it.
    const settled = Effect.orDie(thread.task.sysif.barrier());
    yield* Effect.addFinalizer(() =>
      Effect.map(settled, () =>
        assert.deepEqual(
          descriptors(pid).filter((text) => !before.includes(text)),
          [],
          "what the tests left open",
        ),
      ),
    );
    return thread;
  });

/**
 * Tries behaviours in this process, in a fork and in a stub: `tests` is called once for each, with the `it` of its kind.
 *
 * All tests of a kind share one process, so that hundreds of them are cheap. A test that changes the process (its
 * directory, ids, limits, signals) does so in a child of its own: `yield* thread.fork()`.
 */
export const inEachKind = (tests: (it: KindTest) => void): void => {
  describe.each([here, inFork, inStub])("%s", (_name, open) => {
    const layer = Layer.effect(KindThread, counted(opened(open)));
    const runtime = ManagedRuntime.make(Layer.provideMerge(layer, LocalThread.layer));
    beforeAll(() => runtime.context());
    afterAll(() => runtime.dispose());

    const run = (behaviour: Behaviour) => () => {
      const test = Effect.flatMap(KindThread, (thread) =>
        Effect.gen(() => behaviour(thread) as never),
      );
      return runtime.runPromise(counted(Effect.scoped(test)));
    };
    const it = (name: string, behaviour: Behaviour) => vitestIt(name, run(behaviour));
    tests(
      Object.assign(it, {
        skipIf: (reason: string | undefined) => (name: string, behaviour: Behaviour) =>
          vitestIt.skipIf(reason !== undefined)(
            reason === undefined ? name : `${name} (skipped: ${reason})`,
            run(behaviour),
          ),
      }),
    );
  });
};
