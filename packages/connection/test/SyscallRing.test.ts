import { x86_64 } from "@rsyscall/abi";
import { it, turn } from "@rsyscall/harness";
import { batch, getpid, type PendingCall, SyscallHangup, SyscallSendError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { OP_COPY } from "@rsyscall/wire";
import { Effect, Exit, Fiber } from "effect";
import { assert, describe } from "vitest";
import { begin, failure } from "./peer.ts";
import { answering, connectRing, SLOTS } from "./ringPeer.ts";

const number = (name: Parameters<typeof x86_64.syscallNumber>[0]) =>
  x86_64.syscallNumber(name) as number;

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("SyscallRing", () => {
  it("puts in what is submitted together, and takes results one by one, in order", function* () {
    const { sysif, server, bell } = yield* connectRing;
    const order: Array<number> = [];
    const calls = yield* begin(
      Effect.all(
        range(3).map((i) =>
          Effect.tap(sysif.syscall(7, i, -1, 2 ** 40), () => Effect.sync(() => order.push(i))),
        ),
        { concurrency: "unbounded" },
      ),
    );
    assert.deepEqual(
      server.takeAll().map(({ args }) => args),
      range(3).map((i) => [i, -1, 2 ** 40, 0, 0, 0]),
    );
    for (const i of range(3)) {
      server.answer(10 + i);
      yield* bell;
      while (order.length <= i) yield* turn;
      assert.deepEqual(order, range(i + 1));
    }
    assert.deepEqual(yield* Fiber.join(calls), [10, 11, 12]);
  });

  it("says which calls are prompt, and no others", function* () {
    const { sysif, server, peer } = yield* connectRing;
    for (const name of ["getpid", "read"] as const) yield* begin(sysif.syscall(number(name)));
    assert.deepEqual(
      server.takeAll().map(({ number, isPrompt }) => ({ number, isPrompt })),
      [
        { number: number("getpid"), isPrompt: true },
        { number: number("read"), isPrompt: false },
      ],
    );
    yield* peer.handle.close();
  });

  it("keeps ten thousand requests in order, of which the ring holds 63", function* () {
    const { sysif, server, peer, bell, holds } = yield* connectRing;
    const count = 10_000;
    const order: Array<number> = [];
    const calls = yield* begin(
      Effect.all(
        range(count).map((i) =>
          Effect.tap(sysif.syscall(1, i), () => Effect.sync(() => order.push(i))),
        ),
        { concurrency: "unbounded" },
      ),
    );
    let seen = 0;
    while (seen < count) {
      const requests = server.takeAll();
      assert.isAtMost(requests.length, SLOTS);
      for (const { args } of requests) {
        assert.equal(args[0], seen++);
        server.answer(2 * (args[0] as number));
      }
      yield* bell;
      // The server sleeps as the real one does: says so, and looks once more.
      server.sleeps = true;
      const more = server.take();
      if (more !== undefined) {
        server.sleeps = false;
        assert.equal(more.args[0], seen++);
        server.answer(2 * (more.args[0] as number));
      } else if (seen < count) yield* peer.readBytes();
    }
    yield* bell;
    assert.deepEqual(
      yield* Fiber.join(calls),
      range(count).map((i) => 2 * i),
    );
    assert.deepEqual(order, range(count));
    // Who is told the last result goes on before the connection has done what is left to do.
    yield* turn;
    assert.equal(holds(), 0);
  });

  it("waits for the result of what was sent, although the fiber is interrupted", function* () {
    const { sysif, server, bell } = yield* connectRing;
    const calling = yield* begin(getpid(sysif));
    const interrupting = yield* begin(Fiber.interrupt(calling));
    const next = yield* begin(getpid(sysif));
    assert.equal(server.takeAll().length, 2);
    assert.isUndefined(calling.pollUnsafe());
    server.answer(1);
    yield* bell;
    yield* Fiber.join(interrupting);
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(calling)));
    // The result was taken by whom it was for.
    server.answer(2);
    yield* bell;
    assert.equal(yield* Fiber.join(next), 2);
  });

  it("hangs up when the peer does: what is in slots was sent, and what waits for one was not", function* () {
    const { sysif, server, peer, holds } = yield* connectRing;
    const calls = yield* Effect.forEach(range(SLOTS + 7), () => begin(getpid(sysif)));
    assert.equal(server.takeAll().length, SLOTS);
    yield* peer.handle.close();
    for (const [i, calling] of calls.entries()) {
      const error = yield* failure(calling);
      assert.equal(error._tag, i < SLOTS ? "SyscallHangup" : "SyscallSendError", String(i));
      assert.equal((error as SyscallHangup).syscall, "getpid");
    }
    yield* sysif.ended();
    assert.instanceOf(yield* Effect.flip(getpid(sysif)), SyscallSendError);
    assert.equal(holds(), 0);
  });

  it("gives the results that were there before the peer hung up, without a bell", function* () {
    const { sysif, server, peer } = yield* connectRing;
    const first = yield* begin(getpid(sysif));
    const second = yield* begin(getpid(sysif));
    server.takeAll();
    server.answer(5);
    yield* peer.handle.close();
    assert.equal(yield* Fiber.join(first), 5);
    assert.instanceOf(yield* failure(second), SyscallHangup);
  });

  it("gives all of them, however long those take who are told", function* () {
    const { sysif, server, peer } = yield* connectRing;
    const calls = yield* Effect.forEach(range(SLOTS), () =>
      begin(
        Effect.tap(getpid(sysif), () =>
          Effect.sync(() => {
            for (const end = performance.now() + 0.2; performance.now() < end; );
          }),
        ),
      ),
    );
    server.takeAll();
    for (const i of range(SLOTS)) server.answer(i);
    yield* peer.handle.close();
    for (const [i, calling] of calls.entries()) assert.equal(yield* Fiber.join(calling), i);
  });

  it("hangs up although nothing is asked of it, and ends what waits for that", function* () {
    const { sysif, peer } = yield* connectRing;
    const ended = yield* begin(sysif.ended());
    yield* peer.handle.close();
    yield* Fiber.join(ended);
    assert.isTrue(sysif.hasEnded);
  });

  it("fails what is asked of it by those who learn that it has ended, and lets the loop go", function* () {
    for (const end of ["peer", "close"] as const) {
      const { sysif, peer, holds } = yield* connectRing;
      const again = Effect.catch(getpid(sysif), () => getpid(sysif));
      const calls = yield* Effect.forEach(range(5), () => begin(again));
      assert.equal(holds(), 1);
      yield* end === "peer" ? peer.handle.close() : sysif.close();
      for (const calling of calls) assert.instanceOf(yield* failure(calling), SyscallSendError);
      assert.equal(holds(), 0);
    }
  });

  it("gives nobody the result of another, although it comes while the connection ends", function* () {
    const { sysif, server } = yield* connectRing;
    const calls = range(3).map((i) => sysif.submit(1, i, 0, 0, 0, 0, 0) as PendingCall);
    server.takeAll();
    // Somebody who is told of the end waits for another call, and the server still answers.
    (calls[0] as PendingCall).whenDone(() => {
      server.answer(1000);
      sysif.settle();
    });
    yield* sysif.close();
    for (const { outcome } of calls) assert.instanceOf(outcome, SyscallHangup);
  });

  it("is not misled by marks and words that the server has no reason to write", function* () {
    const { sysif, server, peer, bell } = yield* connectRing;
    yield* peer.sendAllBytes(new Uint8Array(1000));
    for (const i of range(3 * SLOTS)) {
      const calling = yield* begin(sysif.syscall(1, i));
      assert.equal(server.take()?.args[0], i);
      assert.isUndefined(calling.pollUnsafe());
      server.answer(i);
      yield* peer.sendAllBytes(new Uint8Array(3));
      yield* bell;
      assert.equal(yield* Fiber.join(calling), i);
    }
    assert.isFalse(sysif.hasEnded);
  });
});

describe("who waits", () => {
  it("is woken only while it sleeps, and keeps the event loop going only so long", function* () {
    const { sysif, server, bell, holds } = yield* connectRing;
    assert.isFalse(server.clientSleeps);
    const first = yield* begin(getpid(sysif));
    const second = yield* begin(getpid(sysif));
    assert.isTrue(server.clientSleeps);
    assert.equal(holds(), 1);
    server.takeAll();
    server.answer(1);
    yield* bell;
    assert.equal(yield* Fiber.join(first), 1);
    yield* turn;
    assert.isTrue(server.clientSleeps, "for the second");
    assert.equal(holds(), 1);
    server.answer(2);
    yield* bell;
    assert.equal(yield* Fiber.join(second), 2);
    yield* turn;
    assert.isFalse(server.clientSleeps);
    assert.equal(holds(), 0);
  });

  it("rings for a server that sleeps, once, and for one that is awake not at all", function* () {
    const { sysif, server, peer } = yield* connectRing;
    yield* begin(batch(range(5).map(() => getpid(sysif))));
    server.sleeps = true;
    yield* begin(batch(range(5).map(() => getpid(sysif))));
    assert.isFalse(server.sleeps, "it has been woken");
    assert.equal((yield* peer.readBytes()).length, 1);
    assert.equal(server.takeAll().length, 10);
    yield* sysif.close();
  });

  it("does not block although the server lets its bells pile up", function* () {
    const { sysif, server, peer, bell } = yield* connectRing;
    // More than a socket holds.
    const calls: Array<PendingCall> = [];
    for (const i of range(2000)) {
      server.sleeps = true;
      calls.push(sysif.submit(1, i, 0, 0, 0, 0, 0) as PendingCall);
      server.take();
      server.answer(i);
    }
    sysif.settle();
    yield* bell;
    // What was not taken within a turn of the event loop, as on a busy machine, is taken in the next.
    while (calls.at(-1)?.outcome === undefined) yield* turn;
    assert.deepEqual(
      calls.map(({ outcome }) => outcome),
      range(2000),
    );
    assert.isAtLeast((yield* peer.readBytes()).length, 1);
  });

  it("says on which CPU alone it runs, or that there are several", function* () {
    const { server } = yield* connectRing;
    const { availableParallelism } = yield* Effect.promise(() => import("node:os"));
    if (availableParallelism() > 1) assert.equal(server.clientCpu, -1);
    else assert.isAtLeast(server.clientCpu, 0);
  });

  it("does not look out for a server on its own CPU, but is woken", function* () {
    const { sysif, server, bell } = yield* connectRing;
    server.cpu = server.clientCpu;
    const calling = yield* begin(getpid(sysif));
    assert.isTrue(server.clientSleeps);
    server.take();
    server.answer(3);
    yield* bell;
    assert.equal(yield* Fiber.join(calling), 3);
  });
});

describe("a server that answers at once", () => {
  it("costs no turn of the event loop, nor a fiber its turn", function* () {
    const { sysif, server, ours, holds } = yield* connectRing;
    yield* answering(server, ours, () => {
      for (const { args } of server.takeAll()) server.answer(args[0] as number);
    });
    let turns = 0;
    setImmediate(() => turns++);
    for (const i of range(100)) assert.equal(Effect.runSync(sysif.syscall(1, i)), i);
    assert.equal(turns, 0);
    assert.equal(holds(), 0);
    assert.isFalse(server.clientSleeps);
  });

  it("gives a batch that is longer than the ring, in order", function* () {
    const { sysif, server, ours } = yield* connectRing;
    yield* answering(server, ours, () => {
      for (const { args } of server.takeAll()) server.answer(args[0] as number);
    });
    const calls = range(1000).map((i) => sysif.submit(1, i, 0, 0, 0, 0, 0) as PendingCall);
    sysif.settle();
    assert.deepEqual(
      calls.map(({ outcome }) => outcome),
      range(1000),
    );
  });

  it("serves calls that are made by those who are told a result, however deep", function* () {
    const { sysif, server, ours, holds } = yield* connectRing;
    yield* answering(server, ours, () => {
      for (const { args } of server.takeAll()) server.answer(args[0] as number);
    });
    const told: Array<number> = [];
    const next = (i: number): void => {
      const call = sysif.submit(1, i, 0, 0, 0, 0, 0) as PendingCall;
      sysif.settle();
      call.whenDone((outcome) => {
        told.push(outcome as number);
        if (i < 500) next(i + 1);
      });
    };
    next(0);
    assert.deepEqual(told, range(501));
    assert.equal(holds(), 0);
  });

  it("lets the event loop have its turn, although two calls follow each other for ever", function* () {
    const { sysif, server, ours, bell, holds } = yield* connectRing;
    // Every request is answered when the next one comes: there is always one on its way.
    yield* answering(server, ours, () => {
      server.takeAll();
      while (server.unanswered > 1) server.answer(0);
    });
    let told = 0;
    let stopped = false;
    const again = (): void => {
      told++;
      if (stopped) return;
      const call = sysif.submit(1, 0, 0, 0, 0, 0, 0) as PendingCall;
      call.whenDone(again);
      sysif.settle();
    };
    again();
    again();
    yield* bell;
    // They hold up neither timers nor sockets.
    yield* Effect.sleep(1);
    yield* turn;
    stopped = true;
    server.takeAll();
    while (server.unanswered > 0) server.answer(0);
    yield* bell;
    while (sysif.hasPending) yield* turn;
    assert.isAbove(told, 100);
    assert.equal(holds(), 0);
  });
});

describe("a write behind calls that have no result yet", () => {
  it("keeps its memory until it is done, although that is given back before", function* () {
    const { task } = yield* LocalThread;
    const { sysif, server, bell } = yield* connectRing;
    const allocator = task.allocator.lend(sysif);
    const call = yield* begin(sysif.syscall(1));
    const first = yield* allocator.malloc(100);
    yield* sysif.write(first.address, new Uint8Array(100));
    const [, copy] = server.takeAll();
    assert.deepInclude(copy, { number: OP_COPY });
    assert.equal(copy?.args[0], first.address);
    yield* first.free();
    // Not for the task itself, nor for what it stages of the next write, nor for another task.
    yield* sysif.write(first.address, new Uint8Array(100));
    const staged = server.take()?.args[1];
    const others = yield* Effect.replicateEffect(task.allocator.malloc(100), 10);
    assert.notInclude([staged, ...others.map(({ address }) => address)], first.address);
    server.answer(0);
    server.answer(100);
    yield* bell;
    while (!call.pollUnsafe()) yield* turn;
    server.answer(100);
    yield* bell;
    while (sysif.hasPending) yield* turn;
    assert.isUndefined(sysif.lastWrite);
    assert.equal((yield* task.allocator.malloc(100)).address, first.address);
  });
});
