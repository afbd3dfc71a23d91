import { EFD, F, FD, POLL } from "@rsyscall/abi";
import { it, launchStub } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import {
  Eventfd,
  type FileDescriptor,
  type HandleFailure,
  pollNow,
  type Task,
} from "../../src/index.ts";

const local = Effect.map(LocalThread, ({ task }) => task);
const stub = Effect.map(launchStub, ({ call }) => call.thread.task);

const errnoOf = (effect: Effect.Effect<unknown, HandleFailure>) =>
  Effect.map(Effect.flip(effect), (error) => ("errno" in error ? error.errno : error._tag));

const counting = (initial: number | undefined, flags: number) => (task: Task) =>
  Eventfd.make(task, initial, flags | EFD.NONBLOCK);

describe("Eventfd", () => {
  for (const [where, task] of [
    ["here", local],
    ["in a stub", stub],
  ] as const) {
    it(`${where}, adds up and gives all at once`, function* () {
      const eventfd = yield* Effect.flatMap(task, counting(undefined, 0));
      assert.equal(yield* eventfd.fcntl(F.GETFD), FD.CLOEXEC);
      assert.equal(yield* errnoOf(eventfd.readCount()), "EAGAIN");
      yield* eventfd.add(3);
      yield* eventfd.add(2n ** 53n);
      assert.equal(yield* eventfd.readCount(), 2n ** 53n + 3n);
      assert.equal(yield* errnoOf(eventfd.readCount()), "EAGAIN");
    });

    it(`${where}, counts down as a semaphore`, function* () {
      const eventfd = yield* Effect.flatMap(task, counting(2, EFD.SEMAPHORE));
      assert.equal(yield* eventfd.readCount(), 1n);
      assert.equal(yield* eventfd.readCount(), 1n);
      assert.equal(yield* errnoOf(eventfd.readCount()), "EAGAIN");
    });

    it(`${where}, takes no more than 2^64 - 2`, function* () {
      const eventfd = yield* Effect.flatMap(task, counting(2 ** 32 - 1, 0));
      yield* eventfd.add(2n ** 64n - 2n - (2n ** 32n - 1n));
      assert.equal(yield* errnoOf(eventfd.add(1)), "EAGAIN");
      yield* eventfd.add(0);
      assert.equal(yield* pollNow(eventfd, POLL.IN | POLL.OUT), POLL.IN);
      assert.equal(yield* eventfd.readCount(), 2n ** 64n - 2n);
      assert.equal(yield* pollNow(eventfd, POLL.IN | POLL.OUT), POLL.OUT);
    });
  }

  it("refuses what is no count", function* () {
    const task = yield* local;
    const eventfd = yield* counting(0, 0)(task);
    const none = "InvalidArgumentError";
    for (const count of [-1, 1.5, 2 ** 53, Number.NaN, -1n, 2n ** 64n])
      assert.equal(yield* errnoOf(eventfd.add(count)), none, String(count));
    assert.equal(yield* errnoOf(eventfd.add(2n ** 64n - 1n)), "EINVAL");
    for (const initial of [-1, 0.5, 2 ** 32])
      assert.equal(yield* errnoOf(Effect.scoped(Eventfd.make(task, initial))), none);
    assert.equal(yield* errnoOf(Effect.scoped(Eventfd.make(task, 0, 2))), "EINVAL");
    assert.equal(yield* errnoOf(eventfd.readCount()), "EAGAIN");
  });

  it("waits in its own task, where nobody asked it not to", function* () {
    const { call } = yield* launchStub;
    const there = yield* Eventfd.make(call.thread.task);
    const [passed] = yield* call.thread.connection.passFrom([there]);
    const here = yield* (passed as FileDescriptor).reclassify(Eventfd);
    const reading = yield* Effect.forkChild(there.readCount(), { startImmediately: true });
    yield* here.add(7);
    assert.equal(yield* Fiber.join(reading), 7n);
  });
});
