import { CLOCK, TFD_TIMER } from "@rsyscall/abi";
import { Timerfd } from "@rsyscall/handle";
import { it, launchStub } from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";
import { AsyncTimerfd } from "../src/index.ts";

const stub = Effect.map(launchStub, ({ call }) => call.thread);

const make = (thread: Thread, clock: number = CLOCK.MONOTONIC) =>
  Effect.flatMap(thread.epoller(), (epoller) =>
    Effect.flatMap(Timerfd.make(thread.task, clock), (timerfd) =>
      AsyncTimerfd.make(epoller, timerfd),
    ),
  );

const soon = { seconds: 0, nanoseconds: 1 };
const hour = { seconds: 3600, nanoseconds: 0 };

describe("AsyncTimerfd", () => {
  for (const [where, thread] of [
    ["here", LocalThread],
    ["in a stub", stub],
  ] as const) {
    it(`${where}, waits until the timer expires, whenever it is set`, function* () {
      const timer = yield* make(yield* thread);
      const waiting = yield* Effect.forkChild(timer.expirations(), { startImmediately: true });
      yield* timer.handle.settime({ value: hour });
      yield* Effect.yieldNow;
      assert.isUndefined(waiting.pollUnsafe());
      yield* timer.handle.settime({ value: soon });
      assert.equal(yield* Fiber.join(waiting), 1n);
      // Once, and not again, until it is set again.
      const again = yield* Effect.forkChild(timer.expirations(), { startImmediately: true });
      yield* Effect.yieldNow;
      assert.isUndefined(again.pollUnsafe());
      yield* timer.handle.settime({ value: soon });
      assert.equal(yield* Fiber.join(again), 1n);
    });

    it(`${where}, streams how often it has expired`, function* () {
      const timer = yield* make(yield* thread, CLOCK.REALTIME);
      // The first time it has expired each hour since 1970; then each millisecond.
      yield* timer.handle.settime({ value: hour, interval: hour }, TFD_TIMER.ABSTIME);
      const millisecond = { seconds: 0, nanoseconds: 1_000_000 };
      const counts = yield* Stream.runCollect(
        timer.stream.pipe(
          Stream.tap(() => timer.handle.settime({ value: soon, interval: millisecond })),
          Stream.take(3),
        ),
      );
      assert.lengthOf(counts, 3);
      assert.isAbove(Number(counts[0]), 400_000);
      for (const count of counts.slice(1)) assert.isAtLeast(Number(count), 1);
    });
  }

  it("is interrupted at once, and then told to others", function* () {
    const timer = yield* make(yield* LocalThread);
    const interrupted = yield* Effect.forkChild(timer.expirations(), { startImmediately: true });
    yield* Fiber.interrupt(interrupted);
    yield* timer.handle.settime({ value: soon });
    assert.equal(yield* timer.expirations(), 1n);
  });

  it("that is closed tells those who wait", function* () {
    const timer = yield* make(yield* LocalThread);
    const waiting = yield* Effect.forkChild(Effect.flip(timer.expirations()), {
      startImmediately: true,
    });
    yield* timer.close();
    assert.equal((yield* Fiber.join(waiting))._tag, "UseAfterFreeError");
  });
});
