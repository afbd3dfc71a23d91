import { EPOLL, EPOLL_CTL } from "@rsyscall/abi";
import { NamespaceMismatchError } from "@rsyscall/far";
import { it, launchStub } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Epoll, pipe, UseAfterFreeError } from "../../src/index.ts";

describe("Epoll", () => {
  it("tells of the descriptors that have events, each with its data", function* () {
    const { task } = yield* LocalThread;
    const epoll = yield* Epoll.make(task);
    const pipes = yield* Effect.replicateEffect(pipe(task), 3);
    for (const [i, [reader]] of pipes.entries())
      yield* epoll.set(EPOLL_CTL.ADD, reader, { events: EPOLL.IN, data: 2 ** 40 + i });
    assert.deepEqual(yield* epoll.wait(10, 0), []);
    for (const i of [0, 2]) yield* (pipes[i] as (typeof pipes)[0])[1].writeAllText("x");
    const events = yield* epoll.wait(10, -1);
    assert.sameDeepMembers(
      [...events],
      [
        { events: EPOLL.IN, data: 2 ** 40 },
        { events: EPOLL.IN, data: 2 ** 40 + 2 },
      ],
    );
    assert.equal((yield* epoll.wait(1, 0)).length, 1, "no more than asked for");
  });

  it("changes what it waits for, and forgets", function* () {
    const { task } = yield* LocalThread;
    const epoll = yield* Epoll.make(task);
    const [reader, writer] = yield* pipe(task);
    yield* epoll.set(EPOLL_CTL.ADD, writer, { events: EPOLL.IN, data: 1 });
    assert.deepEqual(yield* epoll.wait(4, 0), []);
    yield* epoll.set(EPOLL_CTL.MOD, writer, { events: EPOLL.OUT, data: 2 });
    assert.deepEqual(yield* epoll.wait(4, 0), [{ events: EPOLL.OUT, data: 2 }]);
    const twice = (yield* Effect.flip(
      epoll.set(EPOLL_CTL.ADD, writer, { events: 0, data: 0 }),
    )) as SyscallError;
    assert.deepInclude({ ...twice }, { errno: "EEXIST", subject: `fd ${writer.near}` });
    yield* epoll.delete(writer);
    assert.deepEqual(yield* epoll.wait(4, 0), []);
    assert.include((yield* Effect.flip(epoll.delete(reader))).message, "ENOENT");
    yield* reader.close();
    assert.instanceOf(yield* Effect.flip(epoll.delete(reader)), UseAfterFreeError);
  });

  it("does not take the number of another process for one of its own", function* () {
    const { task } = yield* LocalThread;
    const { call } = yield* launchStub;
    const epoll = yield* Epoll.make(task);
    const [reader] = yield* pipe(call.thread.task);
    const events = { events: EPOLL.IN, data: 1 };
    for (const use of [epoll.set(EPOLL_CTL.ADD, reader, events), epoll.delete(reader)])
      assert.instanceOf(yield* Effect.flip(use), NamespaceMismatchError);
  });
});
