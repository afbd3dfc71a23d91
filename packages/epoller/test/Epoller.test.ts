import { readdirSync, readFileSync } from "node:fs";
import { EPOLL, EPOLL_CTL } from "@rsyscall/abi";
import { Epoll, Eventfd, type FileDescriptor } from "@rsyscall/handle";
import { it, turn, wires, worksAsync } from "@rsyscall/harness";
import { epollCtl } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Epoller } from "../src/index.ts";

/** An epoll instance of a stub, which we have as well, and an epoller for it. */
const epollerOf = ({ task, connection }: Thread) =>
  Effect.gen(function* () {
    const registrar = yield* Epoll.make(task);
    const [passed] = yield* connection.passFrom([registrar]);
    const waiter = yield* (passed as FileDescriptor).narrow(Epoll);
    const wakeup = connection.accessEpoller.nested(waiter);
    return { registrar, waiter, epoller: yield* Epoller.makeSubsidiary(registrar, waiter, wakeup) };
  });

/** How many descriptors are registered in an epoll instance of this process. */
const registered = ({ near }: Epoll): number =>
  readFileSync(`/proc/self/fdinfo/${near}`, "utf8").match(/^tfd:/gm)?.length ?? 0;

/** In how many epoll instances of this process another one is registered. */
const nestedIn = ({ near }: Epoll): number =>
  readdirSync("/proc/self/fdinfo")
    // Its own members have numbers of the stub's.
    .filter((fd) => fd !== String(near))
    .map((fd) => {
      try {
        return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
      } catch {
        return "";
      }
    })
    .filter((text) => new RegExp(`^tfd: +${near} `, "m").test(text)).length;

describe.each(wires)("the epoller of a stub, %s", (_wire, launchStub) => {
  it("ends when the stub registers a number that was never given out, and is left alone then", function* () {
    const { thread } = (yield* launchStub).call;
    const { registrar, waiter, epoller } = yield* epollerOf(thread);
    const [reader] = yield* thread.pipe();
    const [other] = yield* thread.pipe();
    const told: Array<boolean> = [];
    yield* epoller.watch(reader, (hasEnded) => told.push(hasEnded));
    assert.equal(nestedIn(waiter), 1);
    // Level-triggered, and ready for ever.
    for (let i = 0; i < 100; i++) {
      const ready = yield* Eventfd.make(thread.task, 1);
      yield* registrar.set(EPOLL_CTL.ADD, ready, { events: EPOLL.IN, data: 1000 + i });
    }
    while (told.length === 0) yield* turn;
    assert.deepEqual(told, [true]);
    assert.equal(nestedIn(waiter), 0, "in our own epoll instance");
    yield* epoller.watch(other, (hasEnded) => told.push(hasEnded));
    assert.deepEqual(told, [true, true]);
    yield* worksAsync(thread);
  });

  it("goes on for what was registered once, and leaves others their turn", function* () {
    const { thread } = (yield* launchStub).call;
    const { registrar, waiter, epoller } = yield* epollerOf(thread);
    const [reader, writer] = yield* thread.pipe();
    // Numbers that mean nothing any more, of descriptors that are still there: as when a child has a copy.
    for (let i = 0; i < 10; i++) yield* Effect.scoped(epoller.watch(reader, () => {}));
    for (let i = 0; i < 500; i++) {
      const ready = yield* Eventfd.make(thread.task, 1);
      yield* registrar.set(EPOLL_CTL.ADD, ready, { events: EPOLL.IN, data: 1 + (i % 10) });
    }
    assert.equal(registered(waiter), 500);
    const before = performance.now();
    for (let i = 0; i < 20; i++) yield* turn;
    assert.isBelow(performance.now() - before, 500);
    let heard = 0;
    yield* epoller.watch(reader, (hasEnded) => {
      if (!hasEnded) heard++;
    });
    yield* writer.writeAllText("x");
    while (heard === 0) yield* turn;
  });

  it("ends when the stub registers what is not ours, and harms nobody else", function* () {
    const { thread } = (yield* launchStub).call;
    const { task } = thread;
    const { registrar, epoller } = yield* epollerOf(thread);
    const [reader, writer] = yield* thread.pipe();
    const told: Array<boolean> = [];
    yield* epoller.watch(reader, (hasEnded) => told.push(hasEnded));
    // A number that no registration of ours can have.
    const { epollEvent } = task.abi;
    const event = new Uint8Array(epollEvent.size).fill(0x7f);
    new DataView(event.buffer).setUint32(0, EPOLL.OUT, true);
    yield* task.withBytes(event, (address) =>
      epollCtl(task.sysif, registrar.near, EPOLL_CTL.ADD, writer.near, address),
    );
    while (told.length === 0) yield* turn;
    assert.deepEqual(told, [true]);
    // Whoever comes later is told at once.
    const [other] = yield* thread.pipe();
    yield* epoller.watch(other, (hasEnded) => told.push(hasEnded));
    assert.deepEqual(told, [true, true]);
    yield* worksAsync(thread);
  });
});
