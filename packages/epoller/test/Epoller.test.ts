import { EPOLL, EPOLL_CTL } from "@rsyscall/abi";
import { Epoll, type FileDescriptor } from "@rsyscall/handle";
import { epollCtl } from "@rsyscall/near";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { it, wires, worksAsync } from "../../../tests/harness/index.ts";
import { Epoller } from "../src/index.ts";

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));

describe.each(wires)("the epoller of a stub, %s", (_wire, launchStub) => {
  it("ends when the stub registers what is not ours, and harms nobody else", function* () {
    const { thread } = (yield* launchStub).call;
    const { task, connection } = thread;
    const registrar = yield* Epoll.make(task);
    const [passed] = yield* connection.passFrom([registrar]);
    const waiter = yield* (passed as FileDescriptor).reclassify(Epoll);
    const epoller = yield* Epoller.makeSubsidiary(
      registrar,
      waiter,
      connection.accessEpoller.nested(waiter),
    );
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
