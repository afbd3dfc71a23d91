import { readdirSync } from "node:fs";
import { SHUT } from "@rsyscall/abi";
import { LocalCalls } from "@rsyscall/connection";
import { AsyncFileDescriptor, AsyncReadBuffer, type Epoller } from "@rsyscall/epoller";
import { type HandleFailure, Socket } from "@rsyscall/handle";
import { it } from "@rsyscall/harness";
import {
  CLOSE,
  CREDIT,
  DATA,
  END,
  frame,
  OPEN,
  pattern,
  u32,
  WINDOW,
} from "@rsyscall/harness/taskStream";
import { catchErrno, type LocalSyscallInterface, SyscallError } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { FRAME_HEADER_SIZE } from "@rsyscall/wire";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";
import { Multiplexer, type StreamError } from "../src/index.ts";
import { Far } from "./far.ts";

const message = new TextEncoder().encode("hello");

/** A multiplexer, and the far side of its stream. */
const make = Effect.gen(function* () {
  const local = yield* LocalThread;
  const { accessEpoller } = local.connection;
  const [stream, far] = yield* Far.make(local.task, accessEpoller);
  return { local, far, stream, mux: yield* Multiplexer.make(stream, accessEpoller) };
});

/** And so many channels, whose ends here do not block. */
const makeWith = (count: number) =>
  Effect.gen(function* () {
    const { local, far, stream, mux } = yield* make;
    const sockets = yield* open(local, mux, count);
    yield* far.until(() => far.opened.reduce((sum, { count }) => sum + count, 0) === count);
    return { local, far, stream, mux, sockets };
  });

/** Opens channels through the first one. */
const open = (local: Thread, mux: Multiplexer, count: number) =>
  Effect.gen(function* () {
    const ends: Array<Socket> = [];
    while (ends.length < count)
      ends.push(...(yield* mux.open(mux.first, Math.min(32, count - ends.length), message)));
    return yield* Effect.forEach(ends, (end) =>
      AsyncFileDescriptor.make(local.connection.accessEpoller, end),
    );
  });

type Client = AsyncFileDescriptor<Socket>;

/** Exactly so many bytes. */
const readAll = (client: Client, length: number) =>
  Effect.map(new AsyncReadBuffer(client).readLength(length), (bytes) => Buffer.from(bytes));

/** All bytes until the end. */
const readToEnd = (client: Client): Effect.Effect<Buffer, HandleFailure> => {
  const parts: Array<Uint8Array> = [];
  const more: Effect.Effect<Buffer, HandleFailure> = Effect.flatMap(client.readBytes(), (bytes) => {
    parts.push(bytes);
    return bytes.length === 0 ? Effect.succeed(Buffer.concat(parts)) : more;
  });
  return more;
};

/** All bytes until the connection is reset: there might have been more. */
const readToReset = (client: Client): Effect.Effect<Buffer, HandleFailure> => {
  const parts: Array<Uint8Array> = [];
  const more: Effect.Effect<Buffer, HandleFailure> = Effect.flatMap(client.readBytes(), (bytes) => {
    assert.notEqual(bytes.length, 0, "the end of the stream");
    parts.push(bytes);
    return more;
  });
  return catchErrno("ECONNRESET", () => Effect.sync(() => Buffer.concat(parts)))(more);
};

/** The number of a channel, by its place among those that were opened. */
const idOf = (far: Far, place: number): number => {
  const ids = far.opened.flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, i) => first + i),
  );
  return ids[place] as number;
};

/** How a stream has ended. */
const problem = (mux: Multiplexer) =>
  Effect.map(Effect.flip(mux.ended()), (error: StreamError) => error.message);

const descriptors = () => readdirSync("/proc/self/fd").length;

/** As many turns of the event loop as anything here takes. */
const turns = Effect.promise(async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
});

describe("a multiplexer", () => {
  it("has a channel from the beginning", function* () {
    const { local, far, mux } = yield* make;
    far.sendData(0, Buffer.from("hello"));
    const first = yield* AsyncFileDescriptor.make(local.connection.accessEpoller, mux.first);
    assert.equal((yield* readAll(first, 5)).toString(), "hello");
    yield* first.sendAllBytes(Buffer.from("you"));
    assert.equal((yield* far.readData(0, 3)).toString(), "you");
    assert.equal(mux.stats.channels, 1);
  });

  it("opens channels through another", function* () {
    const { local, far, mux } = yield* make;
    const [through] = (yield* mux.open(mux.first, 1, message)) as [Socket];
    const longest = new Uint8Array(4096).fill(65);
    const ends = yield* mux.open(through, 32, longest);
    assert.equal(ends.length, 32);
    assert.deepEqual(yield* mux.open(through, 0, message), []);
    yield* far.until(() => far.opened.length === 3);
    assert.deepEqual(far.opened, [
      { through: 0, first: 1, count: 1 },
      { through: 1, first: 2, count: 32 },
      { through: 1, first: 34, count: 0 },
    ]);
    assert.deepEqual(far.messages, ["hello", "A".repeat(4096), "hello"]);
    assert.equal(mux.stats.channels, 34);
    for (const end of [mux.first, ...ends]) {
      assert.isTrue(end.closeOnFork);
      assert.equal((yield* end.statusFlags()) & 0o4000, 0, "blocks");
    }
    const client = yield* AsyncFileDescriptor.make(
      local.connection.accessEpoller,
      ends[31] as Socket,
    );
    far.sendData(33, Buffer.from("the last"));
    assert.equal((yield* readAll(client, 8)).toString(), "the last");
  });

  it("refuses what would break the stream", function* () {
    const { local, far, mux } = yield* make;
    const refused = (count: number, bytes: Uint8Array, through = mux.first) =>
      Effect.map(Effect.flip(mux.open(through, count, bytes)), (error) =>
        "errno" in error ? error.errno : error._tag,
      );
    for (const count of [33, -1, 1.5, Number.NaN])
      assert.equal(yield* refused(count, message), "InvalidArgumentError");
    for (const size of [0, 4097])
      assert.equal(
        yield* refused(1, new Uint8Array(size)),
        "InvalidArgumentError",
        `${size} bytes`,
      );
    const [stranger] = yield* Socket.pair(local.task);
    assert.equal(yield* refused(1, message, stranger), "InvalidArgumentError");

    // What the far side may still have to write on.
    const [busy] = (yield* mux.open(mux.first, 1, message)) as [Socket];
    yield* far.until(() => far.opened.length === 1);
    far.channel(1).gives = false;
    yield* busy.writeAllText("x");
    yield* far.until(() => far.channel(1).length === 1);
    assert.equal(yield* refused(1, message, busy), "InvalidStateError");
    far.giveCredit(1, 1);
    yield* turns;
    yield* mux.open(busy, 1, message);

    yield* busy.shutdown(SHUT.WR);
    yield* far.until(() => far.channel(1).hasEnded);
    assert.equal(yield* refused(1, message, busy), "SyscallSendError");
    far.send(0, CLOSE);
    yield* far.until(() => far.channel(0).closes === 1);
    assert.equal(yield* refused(1, message), "SyscallSendError");
    assert.isFalse(far.hasEnded);
  });

  it("refuses more channels than the far side has room for, until some are over", function* () {
    // Beyond RLIMIT_NOFILE of some places: those that wait for an answer count.
    const { local, far, mux } = yield* make;
    for (let opened = 1; opened < 8192; ) {
      const scope = yield* Scope.make();
      const count = Math.min(32, 8192 - opened);
      yield* Scope.provide(mux.open(mux.first, count, message), scope);
      yield* Scope.close(scope, Exit.void);
      opened += count;
    }
    yield* turns;
    assert.equal(mux.stats.channels, 1);
    const refused = yield* Effect.flip(mux.open(mux.first, 1, message));
    assert.include(refused.message, "more than the 8192 channels");
    far.send(8191, CLOSE);
    far.send(1, CLOSE);
    yield* far.until(() => far.channel(8191).closes === 1);
    yield* turns;
    yield* open(local, mux, 2);
    yield* far.until(() => far.opened.at(-1)?.first === 8192);
  });

  for (const howMany of [1, 200])
    it(`carries bytes of ${howMany} channels, both ways at once`, function* () {
      const { far, mux, sockets } = yield* makeWith(0);
      far.echoes = true;
      assert.equal(sockets.length, 0);
      const local = yield* LocalThread;
      const clients = yield* open(local, mux, howMany);
      const sizes = new Uint32Array(pattern(4 * howMany, 7).buffer.slice(0, 4 * howMany));
      yield* Effect.forEach(
        clients,
        (client, i) =>
          Effect.gen(function* () {
            const bytes = pattern(1 + ((sizes[i] as number) % (400_000_000 / howMany / 100)), i);
            const writing = Effect.gen(function* () {
              for (let at = 0, part = 1; at < bytes.length; at += part) {
                part = 1 + ((at * 7919) % 100_000);
                yield* client.sendAllBytes(bytes.subarray(at, at + part));
              }
              yield* client.handle.shutdown(SHUT.WR);
            });
            const [, got] = yield* Effect.all([writing, readToEnd(client)], {
              concurrency: "unbounded",
            });
            assert.isTrue(got.equals(bytes), `channel ${i}, ${bytes.length} bytes`);
          }),
        { concurrency: "unbounded" },
      );
      yield* turns;
      assert.equal(mux.stats.channels, 1, "those that ended both ways are over");
      assert.deepEqual(
        far.log.filter(({ type }) => type === CLOSE),
        [],
      );
      const { bytesIn, bytesOut } = mux.stats;
      const sent = far.log.reduce((sum, { payload }) => sum + 8 + payload.length, 0);
      assert.equal(bytesOut, sent);
      assert.isAbove(bytesIn, 0);
    });

  it("understands frames in whatever parts they come", function* () {
    const { far, sockets } = yield* makeWith(3);
    const seeds = pattern(1000, 3);
    const expected = [1, 2, 3].map(() => [] as Array<Buffer>);
    const frames: Array<Uint8Array> = [];
    for (const [i, seed] of seeds.entries()) {
      const id = 1 + (seed % 3);
      const bytes = pattern(1 + ((seed * 31 + i) % 700), i);
      frames.push(frame(id, DATA, bytes));
      // What is of no importance, in between.
      if (seed % 7 === 0) frames.push(frame(1000 + i, CLOSE), frame(77, CREDIT, u32(5)));
      if (seed % 11 === 0) frames.push(frame(99, DATA, bytes), frame(99, END));
      expected[id - 1]?.push(bytes);
    }
    const reading = yield* Effect.forkChild(
      Effect.forEach(
        sockets,
        (client, i) => readAll(client, Buffer.concat(expected[i] as Array<Buffer>).length),
        { concurrency: "unbounded" },
      ),
    );
    const all = Buffer.concat(frames);
    for (let at = 0, turn = 0; at < all.length; turn++) {
      const seed = seeds[turn % seeds.length] as number;
      const part = seed % 3 === 0 ? 1 : seed % 3 === 1 ? seed % 17 : seed * 20;
      far.sendRaw(all.subarray(at, at + part));
      at += part;
      if (turn < 1000) yield* far.flushed;
      if (turn < 200) yield* turns;
    }
    for (const [i, got] of (yield* Fiber.join(reading)).entries())
      assert.isTrue(got.equals(Buffer.concat(expected[i] as Array<Buffer>)), `channel ${i}`);
  });

  it("sends what many write in one turn in one write", function* () {
    const { local, far, stream, sockets } = yield* makeWith(30);
    const before = far.log.length;
    const sysif = local.task.sysif as LocalSyscallInterface;
    const { submit } = sysif;
    const sendto = sysif.abi.syscallNumber("sendto");
    const sizes: Array<number> = [];
    yield* Effect.acquireUseRelease(
      Effect.sync(() => {
        sysif.submit = (number, fd, ...words) => {
          const result = submit(number, fd, ...words);
          if (number === sendto && fd === stream.near) sizes.push(Number(result));
          return result;
        };
      }),
      () =>
        Effect.gen(function* () {
          // A fiber that has run for long gives way on its own: in between, if its turn does not begin here.
          yield* Effect.yieldNow;
          yield* Effect.forEach(sockets, (client) => client.handle.writeAllText("request"));
          yield* far.until(() => far.log.length === before + 30);
        }),
      () => Effect.sync(() => (sysif.submit = submit)),
    );
    assert.deepEqual(sizes, [30 * (8 + "request".length)]);
    assert.isTrue(far.log.slice(before).every(({ payload }) => payload.toString() === "request"));
  });

  it("lets no channel starve another", function* () {
    const { far, sockets } = yield* makeWith(2);
    const [bulk, small] = sockets as [Client, Client];
    yield* far.pause;
    yield* Effect.forkChild(Effect.forever(bulk.sendAllBytes(new Uint8Array(WINDOW))));
    yield* turns;
    yield* small.sendAllBytes(Buffer.from("!"));
    yield* turns;
    const [first, second] = [idOf(far, 0), idOf(far, 1)];
    yield* far.read;
    yield* far.until(() => far.channel(second).length === 1);
    // What was in the buffers when it was written, and no whole window.
    assert.isBelow(far.channel(first).length, WINDOW);
  });

  it("does not read what may not be sent, and lets others pass", function* () {
    const { far, sockets } = yield* makeWith(2);
    const [blocked, other] = sockets as [Client, Client];
    const [first, second] = [idOf(far, 0), idOf(far, 1)];
    far.channel(first).gives = false;
    const bytes = pattern(3 * WINDOW);
    const writing = yield* Effect.forkChild(blocked.sendAllBytes(bytes));
    yield* far.until(() => far.channel(first).length === WINDOW);
    // More than a window, with credit.
    const much = pattern(4 * WINDOW, 2);
    const [, got] = yield* Effect.all(
      [other.sendAllBytes(much), far.readData(second, much.length)],
      {
        concurrency: 2,
      },
    );
    assert.isTrue(got.equals(much));
    assert.equal(far.channel(first).length, WINDOW);
    assert.isUndefined(writing.pollUnsafe(), "who writes has to wait");
    far.giveCredit(first, 10);
    yield* far.until(() => far.channel(first).length === WINDOW + 10);
    far.giveCredit(first, WINDOW - 10);
    yield* far.until(() => far.channel(first).length === 2 * WINDOW);
    far.giveCredit(first, WINDOW);
    assert.isTrue((yield* far.readData(first, 3 * WINDOW)).equals(bytes));
    yield* Fiber.join(writing);
  });

  it("keeps a window of what nobody reads, and lets others pass", function* () {
    const { far, sockets } = yield* makeWith(2);
    const [slow, other] = sockets as [Client, Client];
    const [first, second] = [idOf(far, 0), idOf(far, 1)];
    const bytes = pattern(5 * WINDOW);
    far.sendData(first, bytes);
    const much = pattern(4 * WINDOW, 2);
    far.sendData(second, much);
    assert.isTrue((yield* readAll(other, much.length)).equals(much));
    yield* turns;
    // Nothing but what the socket has taken is credited.
    assert.isAbove(far.channel(first).unsent.length, 3 * WINDOW);
    assert.isBelow(far.channel(first).credit, WINDOW / 4);
    assert.isTrue((yield* readAll(slow, bytes.length)).equals(bytes));
  });

  it("takes many small frames for one that does not read", function* () {
    const { far, sockets } = yield* makeWith(1);
    const id = idOf(far, 0);
    const [client] = sockets as [Client];
    const one = frame(id, DATA, Uint8Array.of(7));
    const count = WINDOW;
    far.channel(id).credit -= count;
    far.sendRaw(Buffer.alloc(count * one.length, one));
    yield* far.flushed;
    const bytes = yield* readAll(client, count);
    assert.isTrue(bytes.every((byte) => byte === 7));
  });
});

describe("a relay of a connection", () => {
  it("sends in the same turn what the connection has written", function* () {
    const { local, far, mux } = yield* make;
    const [end] = yield* mux.open(mux.first, 1, message);
    yield* far.until(() => far.opened.length === 1);
    const relay = mux.relay(end as Socket);
    const before = mux.stats.bytesOut;
    yield* Effect.promise(async () => {
      assert.equal(LocalCalls.of(local.task)?.send(end as Socket, message), message.length);
      relay?.sent();
      await Promise.resolve();
      assert.equal(mux.stats.bytesOut, before + FRAME_HEADER_SIZE + message.length);
    });
    assert.equal((yield* far.readData(idOf(far, 0), message.length)).toString(), "hello");
  });

  it("tells of what has arrived, once a turn", function* () {
    const { far, mux } = yield* make;
    const [end] = yield* mux.open(mux.first, 1, message);
    yield* far.until(() => far.opened.length === 1);
    let told = 0;
    mux.relay(end as Socket)?.onArrival(() => told++);
    for (let i = 0; i < 3; i++) far.sendData(idOf(far, 0), message);
    yield* turns;
    assert.equal(told, 1);
  });

  it("is only of channels of the stream", function* () {
    const { local, mux } = yield* make;
    const [other] = yield* Socket.pair(local.task);
    assert.isUndefined(mux.relay(other));
    assert.isDefined(mux.relay(mux.first));
  });
});

describe("the end of a channel", () => {
  it("comes in each direction by itself", function* () {
    const { far, mux, sockets } = yield* makeWith(1);
    const [client] = sockets as [Client];
    const id = idOf(far, 0);
    yield* client.sendAllBytes(Buffer.from("request"));
    yield* client.handle.shutdown(SHUT.WR);
    yield* far.until(() => far.channel(id).hasEnded);
    assert.equal(far.channel(id).length, 7, "behind what was sent");
    far.sendData(id, pattern(2 * WINDOW));
    far.channel(id).echoes = true;
    far.channel(id).gives = false;
    assert.isTrue((yield* readToEnd(client)).equals(pattern(2 * WINDOW)));
    yield* turns;
    assert.equal(mux.stats.channels, 1);
    assert.equal(far.channel(id).closes, 0);
  });

  it("from the far side leaves the other direction", function* () {
    const { far, mux, sockets } = yield* makeWith(1);
    const [client] = sockets as [Client];
    const id = idOf(far, 0);
    far.sendData(id, Buffer.from("all"));
    far.send(id, END);
    assert.equal((yield* readToEnd(client)).toString(), "all");
    yield* client.sendAllBytes(Buffer.from("answer"));
    assert.equal((yield* far.readData(id, 6)).toString(), "answer");
    assert.equal(mux.stats.channels, 2);
    // A hang-up is an end too.
    yield* client.close();
    yield* far.until(() => far.channel(id).hasEnded);
    assert.equal(far.channel(id).closes, 0);
    yield* turns;
    assert.equal(mux.stats.channels, 1);
  });

  it("is a CLOSE when nobody has the socket any more, behind what was written", function* () {
    const { far, mux, sockets } = yield* makeWith(2);
    const [client, ended] = sockets as [Client, Client];
    const [first, second] = [idOf(far, 0), idOf(far, 1)];
    yield* client.sendAllBytes(Buffer.from("last words"));
    yield* client.close();
    yield* far.until(() => far.channel(first).closes === 1);
    assert.equal((yield* far.readData(first, 10)).toString(), "last words");
    assert.isFalse(far.channel(first).hasEnded);
    yield* ended.handle.shutdown(SHUT.WR);
    yield* far.until(() => far.channel(second).hasEnded);
    yield* ended.close();
    yield* far.until(() => far.channel(second).closes === 1);
    assert.equal(mux.stats.channels, 1);
  });

  it("is a CLOSE when there is something to be written on, and nobody reads", function* () {
    const { far, sockets } = yield* makeWith(2);
    const [deaf, full] = sockets as [Client, Client];
    const [first, second] = [idOf(far, 0), idOf(far, 1)];
    yield* deaf.handle.shutdown(SHUT.RD);
    yield* deaf.sendAllBytes(Buffer.from("still there"));
    far.sendData(first, Buffer.from("x"));
    yield* far.until(() => far.channel(first).closes === 1);
    assert.equal((yield* far.readData(first, 11)).toString(), "still there");
    // While a window of it waits.
    far.sendData(second, pattern(WINDOW));
    yield* far.flushed;
    yield* turns;
    yield* full.close();
    yield* far.until(() => far.channel(second).closes === 1);
  });

  it("that the far side closes is answered, and what came before is read first", function* () {
    const { far, mux, sockets } = yield* makeWith(2);
    const [client, unread] = sockets as [Client, Client];
    const [first, second] = [idOf(far, 0), idOf(far, 1)];
    const bytes = pattern(WINDOW);
    for (const id of [first, second]) {
      far.sendData(id, bytes);
      far.send(id, CLOSE);
      yield* far.until(() => far.channel(id).closes === 1);
    }
    assert.equal(mux.stats.channels, 1);
    // Who writes is told at once, although nobody has read yet.
    assert.include((yield* Effect.flip(client.sendAllBytes(message))).message, "EPIPE");
    assert.isTrue((yield* readToEnd(client)).equals(bytes));
    // Nobody ever reads the other.
    yield* unread.close();
    yield* turns;
  });

  it("crosses that of the far side", function* () {
    const { far, mux, sockets } = yield* makeWith(3);
    const [client] = sockets as [Client];
    const ids = [0, 1, 2].map((place) => idOf(far, place));
    yield* far.pause;
    for (const each of sockets) yield* each.close();
    yield* turns;
    assert.equal(mux.stats.channels, 1);
    const [first, second, third] = ids as [number, number, number];
    far.send(first, CLOSE);
    far.send(second, DATA, pattern(65536));
    far.send(second, CREDIT, u32(1));
    far.send(second, END);
    far.send(third, DATA, pattern(1));
    yield* far.flushed;
    yield* turns;
    yield* far.read;
    yield* far.until(() => ids.every((id) => far.channel(id).closes === 1));
    // No answers to what was an answer itself.
    far.send(second, CLOSE);
    far.send(third, CLOSE);
    far.send(1000, CLOSE);
    far.sendData(0, message);
    yield* far.flushed;
    assert.isFalse(client.handle.isValid);
    yield* turns;
    assert.equal(far.log.filter(({ type }) => type === CLOSE).length, 3);
  });

  it("gives descriptors back", function* () {
    const { local, far, mux } = yield* make;
    far.echoes = true;
    const before = descriptors();
    for (let round = 0; round < 10; round++) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const clients = yield* open(local, mux, 20);
          yield* Effect.forEach(clients, (client) => client.sendAllBytes(message));
          for (const [i, client] of clients.entries())
            if (i % 2 === 0) yield* readAll(client, message.length);
        }),
      );
      yield* turns;
    }
    assert.equal(descriptors(), before);
    assert.equal(mux.stats.channels, 1);
  });

  it("comes for what cannot be opened", function* () {
    const { far, mux } = yield* make;
    const [end] = (yield* mux.open(mux.first, 1, message)) as [Socket];
    yield* far.until(() => far.opened.length === 1);
    far.send(1, CLOSE);
    yield* far.until(() => far.channel(1).closes === 1);
    assert.equal((yield* end.readBytes()).length, 0);
  });
});

describe("the end of a stream", () => {
  const malformed: ReadonlyArray<[what: string, why: string | RegExp, ...Array<Uint8Array>]> = [
    ["an unknown type", "a frame of type 9 and 0 bytes", frame(0, 9)],
    ["an OPEN", "a frame of type 5 and 12 bytes", frame(0, OPEN, new Uint8Array(12))],
    ["DATA of nothing", "a frame of type 1 and 0 bytes", frame(0, DATA)],
    ["DATA that is too long", /type 1 and 65537 bytes/, u32(0, (DATA << 24) | 65537)],
    [
      "a CREDIT of other size",
      "a frame of type 3 and 5 bytes",
      frame(0, CREDIT, new Uint8Array(5)),
    ],
    ["a huge frame", /type 255 and 16777215 bytes/, u32(0, 0xffffffff)],
    ["text", /a frame of type 32 and/, Buffer.from("Welcome to host\n")],
    ["credit beyond a window", "more credit than a window", frame(0, CREDIT, u32(1))],
    ["much credit", "more credit than a window", frame(0, CREDIT, u32(0xffffffff))],
    ["a second END", "a channel ends twice", frame(0, END), frame(0, END)],
    ["DATA after END", /data after the end/, frame(0, END), frame(0, DATA, message)],
    [
      "more DATA than granted",
      "more data than was granted",
      ...Array.from({ length: WINDOW / 65536 + 1 }, () => frame(0, DATA, new Uint8Array(65536))),
    ],
  ];
  for (const [what, why, ...frames] of malformed)
    it(`comes with ${what}`, function* () {
      const { far, mux } = yield* make;
      const [end] = (yield* mux.open(mux.first, 1, message)) as [Socket];
      for (const each of frames) far.sendRaw(each);
      const text = yield* problem(mux);
      if (typeof why === "string") assert.equal(text, `the stream is broken: ${why}`);
      else assert.match(text, why);
      assert.include((yield* Effect.flip(end.readBytes())).message, "ECONNRESET", "its channels");
      assert.equal(mux.stats.channels, 0);
      assert.equal((yield* Effect.flip(mux.open(mux.first, 1, message)))._tag, "SyscallSendError");
    });

  it("comes with that of the far side", function* () {
    const { far, mux, sockets } = yield* makeWith(40);
    const before = descriptors();
    const waiting = yield* Effect.forkChild(
      Effect.forEach(sockets, readToReset, { concurrency: "unbounded" }),
    );
    yield* turns;
    yield* far.close;
    assert.equal(yield* problem(mux), "it has ended");
    for (const bytes of yield* Fiber.join(waiting)) assert.equal(bytes.length, 0);
    for (const client of sockets)
      assert.include((yield* Effect.flip(client.sendAllBytes(message))).message, "EPIPE");
    assert.equal(descriptors(), before - 41 - 1);
  });

  for (const [what, bytes] of [
    ["a header", frame(0, DATA, message).subarray(0, 7)],
    ["DATA", frame(0, DATA, message).subarray(0, 10)],
    ["a CREDIT", frame(0, CREDIT, u32(0)).subarray(0, 11)],
  ] as const)
    it(`in the middle of ${what} is told`, function* () {
      const { far, mux } = yield* make;
      far.sendRaw(bytes);
      yield* far.close;
      assert.equal(yield* problem(mux), "it has ended in the middle of a frame");
    });

  it("keeps nobody from reading what came before", function* () {
    const { far, mux, sockets } = yield* makeWith(3);
    const [open, closed, unread] = sockets as [Client, Client, Client];
    const bytes = pattern(WINDOW);
    for (const place of [0, 1, 2]) far.sendData(idOf(far, place), bytes);
    far.send(idOf(far, 1), CLOSE);
    yield* far.close;
    yield* problem(mux);
    for (const client of [open, closed]) {
      assert.include((yield* Effect.flip(client.sendAllBytes(message))).message, "EPIPE");
      const read = client === open ? readToReset : readToEnd;
      assert.isTrue((yield* read(client)).equals(bytes));
    }
    // Nobody ever reads this one: it goes with the scope.
    assert.isTrue(unread.handle.isValid);
  });

  it("is not before all has been read, although something is to be sent", function* () {
    const { far, mux, sockets } = yield* makeWith(1);
    const [client] = sockets as [Client];
    const bytes = pattern(150_000);
    far.sendData(idOf(far, 0), bytes);
    yield* far.close;
    // Goes out before the event loop tells of anything.
    yield* mux.open(mux.first, 1, message);
    const [got, end] = yield* Effect.all([readToReset(client), problem(mux)], { concurrency: 2 });
    assert.isTrue(got.equals(bytes));
    assert.equal(end, "it has ended");
  });

  it("is told when the far side does not listen any more", function* () {
    const { far, mux, sockets } = yield* makeWith(1);
    far.sendData(idOf(far, 0), message);
    yield* far.deafen;
    yield* mux.open(mux.first, 1, message);
    assert.match(yield* problem(mux), /sendto.*EPIPE/);
    const [client] = sockets as [Client];
    assert.equal((yield* readToReset(client)).toString(), "hello");
  });

  it("comes with its scope, at once", function* () {
    const local = yield* LocalThread;
    const { accessEpoller } = local.connection;
    const before = descriptors();
    const outer = yield* Scope.make();
    const [stream, far] = yield* Scope.provide(Far.make(local.task, accessEpoller), outer);
    const scope = yield* Scope.make();
    const mux = yield* Scope.provide(Multiplexer.make(stream, accessEpoller), scope);
    const [a, b] = (yield* Scope.provide(mux.open(mux.first, 2, message), outer)) as [
      Socket,
      Socket,
    ];
    yield* far.until(() => far.opened.length === 1);
    const much = pattern(1_000_000);
    far.sendData(1, much);
    far.send(1, CLOSE);
    far.sendData(2, much);
    yield* far.until(() => far.channel(1).closes === 1);
    yield* turns;
    const after = descriptors();
    yield* Scope.close(scope, Exit.void);
    assert.equal(yield* problem(mux), "its scope has closed");
    // Our end of the first channel, and those of all, with what waits.
    assert.equal(descriptors(), after - 1 - 3);
    // What the socket had room for, and no more.
    for (const end of [a, b]) {
      const client = yield* Scope.provide(AsyncFileDescriptor.make(accessEpoller, end), outer);
      assert.isBelow((yield* readToReset(client)).length, much.length);
    }
    assert.equal((yield* Effect.flip(mux.open(mux.first, 1, message)))._tag, "SyscallSendError");
    yield* Scope.close(outer, Exit.void);
    yield* turns;
    assert.equal(descriptors(), before);
  });
});

/** An epoller that refuses to watch, from the so-manieth descriptor on. */
const refusing = (epoller: Epoller, from: number): Epoller => {
  let count = 0;
  return new Proxy(epoller, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "watch" && name !== "watchNow") return value.bind(target);
      const error = SyscallError.of("epoll_ctl", "ENOSPC");
      return (...args: ReadonlyArray<unknown>) =>
        ++count < from ? value.apply(target, args) : name === "watch" ? Effect.fail(error) : error;
    },
  });
};

describe("a multiplexer without room", () => {
  it("opens all of the channels, or none", function* () {
    const local = yield* LocalThread;
    const { accessEpoller } = local.connection;
    const [stream, far] = yield* Far.make(local.task, accessEpoller);
    // The first channel, the stream, and one more.
    const mux = yield* Multiplexer.make(stream, refusing(accessEpoller, 4));
    const before = descriptors();
    const failed = yield* Effect.scoped(
      Effect.flip(Effect.asVoid(mux.open(mux.first, 3, message))),
    );
    assert.equal(failed instanceof SyscallError && failed.errno, "ENOSPC");
    assert.equal(descriptors(), before);
    assert.equal(mux.stats.channels, 1);
    far.sendData(0, message);
    yield* turns;
    assert.deepEqual(far.opened, [], "the far side has not heard of them");
  });

  it("leaves nothing when it cannot begin", function* () {
    const local = yield* LocalThread;
    const { accessEpoller } = local.connection;
    const [stream] = yield* Far.make(local.task, accessEpoller);
    const before = descriptors();
    for (const from of [1, 2])
      yield* Effect.scoped(
        Effect.flip(Effect.asVoid(Multiplexer.make(stream, refusing(accessEpoller, from)))),
      );
    assert.equal(descriptors(), before);
  });
});
