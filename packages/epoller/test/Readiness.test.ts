import { EPOLL } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import { Readiness } from "../src/index.ts";

const make = () => {
  let holds = 0;
  const readiness = new Readiness(
    () => holds++,
    () => holds--,
  );
  return { readiness, holds: () => holds };
};

describe("Readiness", () => {
  it("is ready in both directions until EAGAIN says otherwise", function* () {
    const { readiness } = make();
    yield* readiness.wait(EPOLL.IN);
    yield* readiness.wait(EPOLL.OUT);
    readiness.fell(EPOLL.IN, readiness.edges(EPOLL.IN));
    assert.isFalse(readiness.isReady(EPOLL.IN));
    assert.isTrue(readiness.isReady(EPOLL.OUT));
  });

  it("does not lose an edge that overtakes the EAGAIN of an earlier call", function* () {
    const { readiness } = make();
    const edges = readiness.edges(EPOLL.IN);
    // The call is made; data arrives, and its event is here before the call's EAGAIN.
    readiness.rose(EPOLL.IN);
    readiness.fell(EPOLL.IN, edges);
    assert.isTrue(readiness.isReady(EPOLL.IN));
    yield* readiness.wait(EPOLL.IN);
  });

  it("wakes every waiter of an event, and holds the loop only meanwhile", function* () {
    const { readiness, holds } = make();
    readiness.fell(EPOLL.IN, 0);
    const waiters = yield* Effect.replicateEffect(
      Effect.forkChild(readiness.wait(EPOLL.IN), { startImmediately: true }),
      3,
    );
    assert.equal(holds(), 3);
    readiness.rose(EPOLL.OUT);
    assert.equal(holds(), 3);
    readiness.rose(EPOLL.IN);
    for (const waiter of waiters) yield* Fiber.join(waiter);
    assert.equal(holds(), 0);
  });

  it("lets a waiter go at once when it is interrupted", function* () {
    const { readiness, holds } = make();
    readiness.fell(EPOLL.IN, 0);
    const waiter = yield* Effect.forkChild(readiness.wait(EPOLL.IN), { startImmediately: true });
    yield* Fiber.interrupt(waiter);
    assert.equal(holds(), 0);
  });

  it("wakes everybody at its end, and nobody waits afterwards", function* () {
    const { readiness } = make();
    readiness.fell(EPOLL.OUT, 0);
    const waiter = yield* Effect.forkChild(readiness.wait(EPOLL.OUT), { startImmediately: true });
    readiness.end();
    yield* Fiber.join(waiter);
    readiness.fell(EPOLL.OUT, readiness.edges(EPOLL.OUT));
    yield* readiness.wait(EPOLL.OUT);
  });
});
