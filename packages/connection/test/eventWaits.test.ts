import { EPOLL, Errno, O, x86_64 } from "@rsyscall/abi";
import { AsyncFileDescriptor, Epoller } from "@rsyscall/epoller";
import { AddressSpace, makeNamespaces } from "@rsyscall/far";
import { Epoll, FdTable, FileDescriptor, Task } from "@rsyscall/handle";
import { it, turn } from "@rsyscall/harness";
import { Allocator } from "@rsyscall/memory";
import {
  Fd,
  getpid,
  type PendingEvents,
  Pid,
  SyscallHangup,
  type SyscallInterface,
  SyscallSendError,
} from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { OP_EPOLL_WAIT, OP_RECV_ALL, OP_SEND_ALL } from "@rsyscall/wire";
import { Effect, Fiber, type Scope } from "effect";
import { assert, describe } from "vitest";
import { begin, connect, requests, result } from "./peer.ts";

const EPFD = Fd(5);
const FD = Fd(6);

/** `struct epoll_event` of x86-64. */
const event = (events: number, data: number | bigint) => {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setUint32(0, events, true);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(data), true);
  return bytes;
};

/** The answer to a wait. */
const answer = (...events: ReadonlyArray<Uint8Array>) =>
  Uint8Array.from([...result(events.length), ...events.flatMap((bytes) => [...bytes])]);

const done = (wait: PendingEvents) =>
  Effect.callback<PendingEvents["outcome"]>((resume) =>
    wait.whenDone((outcome) => resume(Effect.succeed(outcome))),
  );

describe("a wait for events", () => {
  it("is given its events with its result, in whatever pieces they come", function* () {
    const { sysif, peer } = yield* connect;
    const before = yield* begin(getpid(sysif));
    const wait = sysif.awaitEvents(EPFD, 10);
    const behind = yield* begin(getpid(sysif));
    const [, seen] = yield* requests(peer, 3);
    assert.deepInclude(seen, { number: OP_EPOLL_WAIT, flags: 0, args: [EPFD, 10, 0, 0, 0, 0] });
    const events = [event(EPOLL.IN, 3), event(EPOLL.OUT | EPOLL.HUP, 2 ** 53 - 1)];
    for (const byte of [...result(1), ...answer(...events), ...result(2)])
      yield* Effect.andThen(peer.sendAllBytes(Uint8Array.of(byte)), turn);
    assert.equal(yield* done(wait), 2);
    assert.deepEqual(wait.events, [
      { events: EPOLL.IN, data: 3 },
      { events: EPOLL.OUT | EPOLL.HUP, data: 2 ** 53 - 1 },
    ]);
    assert.deepEqual([yield* Fiber.join(before), yield* Fiber.join(behind)], [1, 2]);
  });

  it("may be given none, or an error, and all that it asks for", function* () {
    const { sysif, peer } = yield* connect;
    const most = sysif.awaitEvents(EPFD, 1_000_000);
    const none = sysif.awaitEvents(EPFD, 64);
    const refused = sysif.awaitEvents(EPFD, 64);
    const [seen] = yield* requests(peer, 3);
    assert.equal(seen?.args[1], 64);
    const events = Array.from({ length: 64 }, (_, i) => event(EPOLL.IN, i));
    yield* peer.sendAllBytes(
      Uint8Array.from([...answer(...events), ...answer(), ...result(-Errno.EBADF)]),
    );
    assert.equal(yield* done(most), 64);
    assert.deepEqual(
      most.events.map(({ data }) => data),
      Array.from({ length: 64 }, (_, i) => i),
    );
    assert.equal(yield* done(none), 0);
    assert.deepEqual(none.events, []);
    assert.equal(yield* done(refused), -Errno.EBADF);
  });

  for (const [what, bytes] of [
    ["more events than it was asked for", Uint8Array.from([...result(3), ...new Uint8Array(36)])],
    ["a number of events that is no number", result(2n ** 62n)],
    ["fewer than none", result(-5000)],
    ["an event of what nobody has registered", answer(event(EPOLL.IN, 2n ** 63n))],
  ] as const)
    it(`ends the connection if the server sends ${what}`, function* () {
      const { sysif, peer } = yield* connect;
      const wait = sysif.awaitEvents(EPFD, 2);
      yield* requests(peer, 1);
      yield* peer.sendAllBytes(bytes);
      assert.instanceOf(yield* done(wait), SyscallHangup);
      assert.isTrue(sysif.hasEnded);
      assert.instanceOf(yield* done(sysif.awaitEvents(EPFD, 2)), SyscallSendError);
    });

  it("ends with the connection, in the middle of its events too", function* () {
    const { sysif, peer } = yield* connect;
    const wait = sysif.awaitEvents(EPFD, 2);
    yield* requests(peer, 1);
    yield* peer.sendAllBytes(answer(event(EPOLL.IN, 1)).subarray(0, 15));
    yield* peer.handle.close();
    assert.instanceOf(yield* done(wait), SyscallHangup);
  });
});

/** A task of a played server, with a root epoller. */
const taskOf = (sysif: SyscallInterface) =>
  Effect.gen(function* () {
    const task = new Task({
      sysif,
      pid: Pid(1),
      fdTable: new FdTable(1),
      addressSpace: new AddressSpace(1),
      namespaces: makeNamespaces({}),
      allocator: new Allocator(sysif, 4096),
      pageSize: 4096,
      sigmask: new Set(),
    });
    const loop = yield* (yield* LocalThread).epoller();
    const epoller = yield* Epoller.makeRoot(new Epoll(task, EPFD), loop);
    return { task, epoller };
  });

type Peer = Effect.Success<typeof connect>["peer"];

/** Answers the requests that prepare something, until one comes that the test is about. */
const untilAsked = (peer: Peer): Effect.Effect<number, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    for (;;) {
      const [seen] = yield* requests(peer, 1);
      const number = seen?.number as number;
      const prepared = new Map([
        [x86_64.syscallNumber("mmap"), 0x10000],
        [x86_64.syscallNumber("fcntl"), O.NONBLOCK],
        [x86_64.syscallNumber("epoll_ctl"), 0],
        [OP_RECV_ALL, seen?.args[2] as number],
      ]).get(number);
      if (prepared === undefined) return number;
      yield* peer.sendAllBytes(result(prepared));
    }
  });

describe("a root epoller", () => {
  it("is told of an edge before the EAGAIN of a call that was made earlier, and keeps it", function* () {
    const { sysif, peer, data } = yield* connect;
    const { task, epoller } = yield* taskOf(sysif);
    const read = x86_64.syscallNumber("read") as number;
    const made = yield* begin(AsyncFileDescriptor.make(epoller, new FileDescriptor(task, FD)));
    const asked = yield* begin(untilAsked(peer));
    const afd = yield* Fiber.join(made);
    epoller.hold();
    assert.equal(yield* Fiber.join(asked), OP_EPOLL_WAIT);
    const reading = yield* begin(afd.readBytes(3));
    assert.equal(yield* untilAsked(peer), read);
    // The edge of data that has come since the read was performed, and only then what the read has given.
    yield* peer.sendAllBytes(answer(event(EPOLL.IN, 1)));
    assert.equal(yield* untilAsked(peer), OP_EPOLL_WAIT);
    yield* peer.sendAllBytes(result(-Errno.EAGAIN));
    // No further event will come. It must try again.
    assert.equal(yield* untilAsked(peer), read);
    yield* peer.sendAllBytes(Uint8Array.from([...result(0), ...result(3)]));
    assert.equal(yield* untilAsked(peer), OP_EPOLL_WAIT);
    assert.equal(yield* untilAsked(peer), OP_SEND_ALL);
    yield* data.sendAllBytes(Uint8Array.of(1, 2, 3));
    yield* peer.sendAllBytes(Uint8Array.from([...result(0), ...result(3)]));
    assert.deepEqual(yield* Fiber.join(reading), Uint8Array.of(1, 2, 3));
    epoller.letGo();
    yield* peer.handle.close();
  });

  it("ends those who wait when the server does not know what it is asked", function* () {
    const { sysif, peer } = yield* connect;
    const { task, epoller } = yield* taskOf(sysif);
    const told: Array<boolean> = [];
    const watch = (fd: Fd) =>
      epoller.watch(new FileDescriptor(task, fd), (hasEnded) => told.push(hasEnded));
    const watching = yield* begin(watch(FD));
    assert.equal(yield* untilAsked(peer), OP_EPOLL_WAIT);
    yield* Fiber.join(watching);
    yield* peer.sendAllBytes(result(-Errno.ENOSYS));
    while (told.length === 0) yield* turn;
    assert.deepEqual(told, [true]);
    // Nobody is asked again, and who comes later is told at once.
    const later = yield* begin(watch(Fd(7)));
    const next = yield* begin(getpid(sysif));
    const asked = yield* begin(untilAsked(peer));
    while (told.length === 1) yield* turn;
    assert.deepEqual(told, [true, true]);
    yield* Fiber.join(later);
    assert.equal(yield* Fiber.join(asked), x86_64.syscallNumber("getpid"));
    yield* peer.sendAllBytes(result(9));
    assert.equal(yield* Fiber.join(next), 9);
    yield* peer.handle.close();
  });
});
