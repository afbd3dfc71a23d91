import { EFD } from "@rsyscall/abi";
import { Eventfd } from "@rsyscall/handle";
import { it, wires } from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";
import { AsyncEventfd } from "../src/index.ts";

const places = [
  ["here", LocalThread],
  ...wires.map(
    ([how, launch]) => [`in a stub ${how}`, Effect.map(launch, ({ call }) => call.thread)] as const,
  ),
] as const;

const make = (thread: Thread, initial?: number, flags?: number) =>
  Effect.flatMap(thread.epoller(), (epoller) =>
    Effect.flatMap(Eventfd.make(thread.task, initial, flags), (eventfd) =>
      AsyncEventfd.make(epoller, eventfd),
    ),
  );

describe("AsyncEventfd", () => {
  for (const [where, thread] of places) {
    it(`${where}, waits for a count, and takes all of it`, function* () {
      const eventfd = yield* make(yield* thread);
      const waiting = yield* Effect.forkChild(eventfd.wait(), { startImmediately: true });
      yield* Effect.yieldNow;
      assert.isUndefined(waiting.pollUnsafe());
      yield* eventfd.add(2n ** 63n);
      assert.equal(yield* Fiber.join(waiting), 2n ** 63n);
      yield* eventfd.add(1);
      yield* eventfd.add(1);
      assert.equal(yield* eventfd.wait(), 2n);
    });

    it(`${where}, wakes one waiter for each 1 of a semaphore`, function* () {
      const eventfd = yield* make(yield* thread, 0, EFD.SEMAPHORE);
      const wait = Effect.forkChild(eventfd.wait(), { startImmediately: true });
      const waiting = [yield* wait, yield* wait, yield* wait];
      yield* eventfd.add(3);
      assert.deepEqual(yield* Fiber.joinAll(waiting), [1n, 1n, 1n]);
    });

    it(`${where}, streams counts as they come`, function* () {
      const eventfd = yield* make(yield* thread, 1);
      const counting = yield* Effect.forkChild(
        Stream.runCollect(
          Stream.tap(Stream.take(eventfd.counts, 4), (count) => eventfd.add(2n * count)),
        ),
        { startImmediately: true },
      );
      assert.deepEqual([...(yield* Fiber.join(counting))], [1n, 2n, 4n, 8n]);
      assert.equal(yield* eventfd.wait(), 16n);
    });
  }

  it("waits for room in the count", function* () {
    const eventfd = yield* make(yield* LocalThread);
    const most = 2n ** 64n - 2n;
    yield* eventfd.add(most);
    const adding = yield* Effect.forkChild(eventfd.add(5), { startImmediately: true });
    yield* Effect.yieldNow;
    assert.isUndefined(adding.pollUnsafe());
    assert.equal(yield* eventfd.wait(), most);
    yield* Fiber.join(adding);
    assert.equal(yield* eventfd.wait(), 5n);
    assert.equal((yield* Effect.flip(eventfd.add(-1)))._tag, "InvalidArgumentError");
  });

  it("gives the count to others when a wait is interrupted", function* () {
    const eventfd = yield* make(yield* LocalThread);
    const interrupted = yield* Effect.forkChild(eventfd.wait(), { startImmediately: true });
    const patient = yield* Effect.forkChild(eventfd.wait(), { startImmediately: true });
    yield* Fiber.interrupt(interrupted);
    yield* eventfd.add(4);
    assert.equal(yield* Fiber.join(patient), 4n);
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(interrupted)));
  });

  it("that is closed tells those who wait", function* () {
    const eventfd = yield* make(yield* LocalThread);
    const waiting = yield* Effect.forkChild(Effect.flip(eventfd.wait()), {
      startImmediately: true,
    });
    yield* eventfd.close();
    assert.equal((yield* Fiber.join(waiting))._tag, "UseAfterFreeError");
    assert.equal((yield* Effect.flip(eventfd.wait()))._tag, "UseAfterFreeError");
  });
});
