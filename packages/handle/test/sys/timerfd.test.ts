import { readFileSync } from "node:fs";
import { CLOCK, F, FD, POLL, TFD, TFD_TIMER, type Timespec } from "@rsyscall/abi";
import { it, launchStub } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { type HandleFailure, pollNow, type Task, Timerfd } from "../../src/index.ts";

const local = Effect.map(LocalThread, ({ task }) => task);
const stub = Effect.map(launchStub, ({ call }) => call.thread.task);

const errnoOf = (effect: Effect.Effect<unknown, HandleFailure>) =>
  Effect.map(Effect.flip(effect), (error) => ("errno" in error ? error.errno : error._tag));

const timer =
  (clock: number = CLOCK.MONOTONIC) =>
  (task: Task) =>
    Timerfd.make(task, clock, TFD.NONBLOCK);

const isLong = (value: number): boolean => Number.isSafeInteger(value);

const none: Timespec = { seconds: 0, nanoseconds: 0 };
const hour: Timespec = { seconds: 3600, nanoseconds: 0 };
const soon: Timespec = { seconds: 0, nanoseconds: 1 };

/** What the kernel shows of a descriptor in /proc. */
const shown = ({ task, near }: Timerfd) =>
  readFileSync(`/proc/${task.pid}/fdinfo/${near}`, "latin1");

describe("Timerfd", () => {
  for (const [where, task] of [
    ["here", local],
    ["in a stub", stub],
  ] as const) {
    it(`${where}, runs, tells what is left, and stops`, function* () {
      const fd = yield* Effect.flatMap(task, timer());
      assert.equal(yield* fd.fcntl(F.GETFD), FD.CLOEXEC);
      assert.deepEqual(yield* fd.gettime(), { value: none, interval: none });
      const second = { seconds: 1, nanoseconds: 5 };
      assert.deepEqual(yield* fd.settime({ value: hour, interval: second }), {
        value: none,
        interval: none,
      });
      const { value, interval } = yield* fd.gettime();
      assert.deepEqual(interval, second);
      assert.isAtMost(value.seconds, 3600);
      assert.isAbove(value.seconds, 0);
      assert.equal(yield* errnoOf(fd.readExpirations()), "EAGAIN");
      assert.deepEqual((yield* fd.disarm()).interval, second);
      assert.deepEqual(yield* fd.gettime(), { value: none, interval: none });
      assert.match(shown(fd), /^it_value: \(0, 0\)$/m);
    });

    it(`${where}, counts how often it has expired`, function* () {
      const fd = yield* Effect.flatMap(task, timer(CLOCK.REALTIME));
      // It was to expire each hour since an hour after 1970.
      yield* fd.settime({ value: hour, interval: hour }, TFD_TIMER.ABSTIME);
      while ((yield* pollNow(fd, POLL.IN)) === 0);
      assert.equal(yield* fd.readExpirations(), BigInt(Math.floor(Date.now() / 3_600_000)));
      assert.equal(yield* errnoOf(fd.readExpirations()), "EAGAIN");
    });

    it(`${where}, expires once without an interval`, function* () {
      const fd = yield* Effect.flatMap(task, timer());
      yield* fd.settime({ value: soon });
      while ((yield* pollNow(fd, POLL.IN)) === 0);
      assert.deepEqual(yield* fd.gettime(), { value: none, interval: none });
      assert.equal(yield* fd.readExpirations(), 1n);
    });
  }

  it("forgets expirations when it is set", function* () {
    const fd = yield* Effect.flatMap(local, timer());
    yield* fd.settime({ value: soon });
    while ((yield* pollNow(fd, POLL.IN)) === 0);
    yield* fd.settime({ value: hour });
    assert.equal(yield* errnoOf(fd.readExpirations()), "EAGAIN");
  });

  it("asks to be told when the clock is set", function* () {
    const fd = yield* Effect.flatMap(local, timer(CLOCK.REALTIME));
    const flags = TFD_TIMER.ABSTIME | TFD_TIMER.CANCEL_ON_SET;
    yield* fd.settime({ value: { ...hour, seconds: 2 ** 33 - 1 } }, flags);
    assert.match(shown(fd), /^settime flags: 03$/m);
    assert.match(shown(fd), /^clockid: 0$/m);
  });

  it("refuses what is no time and no clock", function* () {
    const task = yield* local;
    const fd = yield* timer()(task);
    for (const value of [
      { seconds: -1, nanoseconds: 0 },
      { seconds: 0, nanoseconds: 1_000_000_000 },
      { seconds: 0, nanoseconds: -1 },
      { seconds: 0.5, nanoseconds: 0 },
      { seconds: 2 ** 53, nanoseconds: 0 },
    ]) {
      // What the fields can hold is refused by the kernel.
      const refusal = [value.seconds, value.nanoseconds].every(isLong)
        ? "EINVAL"
        : "InvalidArgumentError";
      assert.equal(yield* errnoOf(fd.settime({ value })), refusal, JSON.stringify(value));
      assert.equal(yield* errnoOf(fd.settime({ value: hour, interval: value })), refusal);
    }
    assert.equal(yield* errnoOf(fd.settime({ value: hour }, 4)), "EINVAL");
    const cut = yield* errnoOf(Effect.scoped(timer(2 ** 32)(task)));
    assert.equal(cut, "InvalidArgumentError");
    for (const clock of [-1, 99, CLOCK.THREAD_CPUTIME_ID])
      assert.equal(yield* errnoOf(Effect.scoped(timer(clock)(task))), "EINVAL", String(clock));
    assert.deepEqual(yield* fd.gettime(), { value: none, interval: none });
  });
});
