import { closeSync, openSync, readdirSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { AF, Bytes, Errno, SOCK, Uint32 } from "@rsyscall/abi";
import { bindUnix, pipe, Socket, UseAfterFreeError } from "@rsyscall/handle";
import { it, launchStub, launchStubWith, tempDirectory } from "@rsyscall/harness";
import { decorated, type Word } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";
import { AsyncReadBuffer, EndOfFileError, TooLongError } from "../src/index.ts";

const asyncPipe = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const [reader, writer] = yield* pipe(thread.task);
  return { reader: yield* thread.makeAfd(reader), writer: yield* thread.makeAfd(writer) };
});

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("AsyncFileDescriptor", () => {
  it("waits for what is not there yet, and sees the end", function* () {
    const { reader, writer } = yield* asyncPipe;
    const reading = yield* Effect.forkChild(reader.readBytes(), { startImmediately: true });
    assert.isUndefined(reading.pollUnsafe());
    yield* writer.writeAllBytes(new TextEncoder().encode("later"));
    assert.equal(text(yield* Fiber.join(reading)), "later");
    yield* writer.handle.close();
    assert.equal((yield* reader.readBytes()).length, 0);
  });

  it("carries 8 MiB through a pipe that holds 64 KiB", function* () {
    const { reader, writer } = yield* asyncPipe;
    const sent = new Uint8Array(8 * 1024 * 1024).map((_, i) => i % 253);
    const writing = yield* Effect.forkChild(
      Effect.andThen(writer.writeAllBytes(sent), writer.handle.close()),
    );
    const parts: Array<Uint8Array> = [];
    for (;;) {
      const part = yield* reader.readBytes();
      if (part.length === 0) break;
      parts.push(part);
    }
    yield* Fiber.join(writing);
    assert.equal(Buffer.compare(Buffer.concat(parts), sent), 0);
  });

  it("takes packet after packet, each of them a short read", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* Socket.pair(thread.task, AF.UNIX, SOCK.SEQPACKET);
    const afd = yield* thread.makeAfd(reader);
    const read = Effect.gen(function* () {
      const buffer = yield* thread.task.malloc(Bytes, 100);
      const [used] = yield* afd.read(buffer);
      return text(yield* used.read());
    });
    // That there is nothing is known; so one event tells of both packets.
    const reading = yield* Effect.forkChild(read, { startImmediately: true });
    yield* writer.writeAllText("first");
    yield* writer.writeAllText("second");
    assert.equal(yield* Fiber.join(reading), "first");
    assert.equal(yield* read, "second");
  });

  it("fails at once in the wrong direction", function* () {
    const { reader, writer } = yield* asyncPipe;
    assert.include((yield* Effect.flip(writer.readBytes())).message, "EBADF");
    assert.include((yield* Effect.flip(reader.writeAllBytes(Uint8Array.of(1)))).message, "EBADF");
  });

  it("can be interrupted while it waits, and loses nothing", function* () {
    const { reader, writer } = yield* asyncPipe;
    for (let i = 0; i < 10; i++) {
      const reading = yield* Effect.forkChild(reader.readBytes(), { startImmediately: true });
      yield* Fiber.interrupt(reading);
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(reading)));
    }
    yield* writer.writeAllBytes(new TextEncoder().encode("all"));
    assert.equal(text(yield* reader.readBytes()), "all");
  });

  it("accepts connections when they come", function* () {
    const thread = yield* LocalThread;
    const path = `${yield* tempDirectory}/socket`;
    const socket = yield* Socket.make(thread.task, AF.UNIX, SOCK.STREAM);
    yield* bindUnix(socket, path);
    yield* socket.listen(5);
    const listening = yield* thread.makeAfd(socket);
    const accepting = yield* Effect.forkScoped(Effect.replicateEffect(listening.accept(), 3), {
      startImmediately: true,
    });
    const clients = [1, 2, 3].map((i) => connect(path).end(`client ${i}`));
    const accepted = yield* Fiber.join(accepting);
    const heard = yield* Effect.forEach(accepted, (afd) => Effect.map(afd.readBytes(), text));
    assert.sameMembers(heard, ["client 1", "client 2", "client 3"]);
    for (const client of clients) client.destroy();
  });
});

/** Has the first EAGAIN of a task's calls come behind an event, which is told before. */
const delayEagain = (thread: Thread, happens: Effect.Effect<void>) => {
  const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
  let isFirst = true;
  const delay = (result: Word): Effect.Effect<void> => {
    if (!isFirst || result !== -Errno.EAGAIN) return Effect.void;
    isFirst = false;
    return Effect.andThen(happens, Effect.replicateEffect(turn, 5, { discard: true }));
  };
  return thread.task.decorate({
    decorate: (sysif) =>
      decorated(sysif, ({ syscall }) => ({
        syscall: (...call) => Effect.tap(syscall.apply(sysif, call), delay),
      })),
    isInherited: false,
  });
};

for (const [where, threadOf] of [
  ["here", LocalThread],
  ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  [
    "in a stub, over sockets",
    Effect.map(launchStubWith({ sharedMemory: false }), ({ call }) => call.thread),
  ],
] as const)
  describe(`an event that is told before the EAGAIN that it comes after, ${where}`, () => {
    it("is not lost on who reads", function* () {
      const thread = yield* threadOf;
      const [reader, writer] = yield* pipe(thread.task);
      const afd = yield* thread.makeAfd(reader);
      const path = `/proc/${thread.task.pid}/fd/${writer.near}`;
      yield* delayEagain(
        thread,
        Effect.sync(() => writeFileSync(path, "meanwhile")),
      );
      assert.equal(text(yield* afd.readBytes()), "meanwhile");
    });

    it("is not lost on who writes", function* () {
      const thread = yield* threadOf;
      const [reader, writer] = yield* pipe(thread.task);
      const afd = yield* thread.makeAfd(writer);
      const piece = new Uint8Array(65_536);
      yield* afd.writeAllBytes(piece);
      const fd = openSync(`/proc/${thread.task.pid}/fd/${reader.near}`, "r");
      yield* delayEagain(
        thread,
        Effect.sync(() => assert.equal(readSync(fd, piece), piece.length)),
      );
      yield* afd.writeAllBytes(Uint8Array.of(1));
      assert.equal(readSync(fd, piece), 1);
      closeSync(fd);
    });
  });

describe("the registration of a descriptor", () => {
  it("ends with its scope, and with it what waits, although the descriptor stays", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* pipe(thread.task);
    const scope = yield* Scope.make();
    const afd = yield* Scope.provide(thread.makeAfd(reader), scope);
    // The second waits for its turn.
    const waits = [afd.readBytes(), afd.readBytes(), afd.waitForRdhup()];
    const fibers = yield* Effect.forEach(waits, (wait) =>
      Effect.forkChild(Effect.flip(Effect.asVoid(wait)), { startImmediately: true }),
    );
    yield* Scope.close(scope, Exit.void);
    for (const fiber of fibers) assert.instanceOf(yield* Fiber.join(fiber), UseAfterFreeError);
    yield* writer.writeAllText("still open");
    assert.equal(text(yield* reader.readBytes()), "still open");
  });

  it("does not outlive its close in the epoll instance, although a child has a copy", function* () {
    const thread = yield* LocalThread;
    const watched = () =>
      readdirSync("/proc/self/fdinfo").flatMap((fd) => {
        try {
          return readFileSync(`/proc/self/fdinfo/${fd}`, "latin1").match(/^tfd:/gm) ?? [];
        } catch {
          return [];
        }
      }).length;
    const [reader, writer] = yield* pipe(thread.task);
    const afd = yield* thread.makeAfd(reader);
    yield* thread.fork();
    const before = watched();
    yield* afd.close();
    assert.equal(watched(), before - 1);
    yield* writer.close();
  });
});

describe("AsyncReadBuffer", () => {
  it("reads netstrings, and says what is wrong with others", function* () {
    const read = (stream: string, limit?: number) =>
      Effect.gen(function* () {
        const { reader, writer } = yield* asyncPipe;
        yield* writer.writeAllBytes(new TextEncoder().encode(stream));
        yield* writer.close();
        return new AsyncReadBuffer(reader).readNetstring(limit);
      });
    const good = yield* read("5:hello,0:,");
    assert.equal(text((yield* good) as Uint8Array), "hello");
    for (const [stream, expected] of [
      ["", undefined],
      ["0:,", ""],
    ] as const) {
      const result = yield* yield* read(stream);
      assert.equal(result && text(result), expected);
    }
    for (const [stream, error] of [
      ["5:hello", "EndOfFileError"],
      ["5", "EndOfFileError"],
      ["5:hello;", "MalformedError"],
      ["05:hello,", "MalformedError"],
      [":,", "MalformedError"],
      ["-1:,", "MalformedError"],
      ["99999999999999:", "TooLongError"],
      ["101:", "TooLongError"],
    ] as const)
      assert.equal((yield* Effect.flip(yield* read(stream, 100)))._tag, error, stream);
  });

  it("reads lengths, structures, strings and lines, wherever the stream is cut", function* () {
    const { reader, writer } = yield* asyncPipe;
    const buffer = new AsyncReadBuffer(reader);
    const prefix = (length: number) => [length, 0, 0, 0, 0, 0, 0, 0];
    const stream = Uint8Array.from([
      ...[1, 2, 3],
      ...[0x78, 0x56, 0x34, 0x12],
      ...prefix(2),
      ...[104, 105],
      ...prefix(1),
      ...[97],
      ...prefix(0),
      ...new TextEncoder().encode("first line\nsecond\n"),
    ]);
    yield* Effect.forkChild(
      Effect.andThen(
        Effect.forEach(stream, (byte) =>
          Effect.andThen(writer.writeAllBytes(Uint8Array.of(byte)), Effect.yieldNow),
        ),
        writer.handle.close(),
      ),
    );
    assert.deepEqual(yield* buffer.readLength(3), Uint8Array.of(1, 2, 3));
    assert.equal(yield* buffer.readStruct(Uint32), 0x12345678);
    assert.equal(text(yield* buffer.readLengthPrefixed(10)), "hi");
    assert.deepEqual((yield* buffer.readLengthPrefixedArray(2, 10)).map(text), ["a", ""]);
    assert.equal(yield* buffer.readLine(), "first line");
    assert.equal(yield* buffer.readLine(), "second");
    assert.isUndefined(yield* buffer.readLine());
  });

  it("says what was being read when the stream ends in it", function* () {
    const { reader, writer } = yield* asyncPipe;
    const buffer = new AsyncReadBuffer(reader);
    yield* writer.writeAllBytes(Uint8Array.of(1, 2, 3));
    yield* writer.handle.close();
    const error = yield* Effect.flip(buffer.readLength(10, "the header"));
    assert.instanceOf(error, EndOfFileError);
    assert.equal(error.message, "The stream ended after 3 bytes of the header");
  });

  it("takes nothing that is longer than its limit", function* () {
    const { reader, writer } = yield* asyncPipe;
    const buffer = new AsyncReadBuffer(reader);
    yield* writer.writeAllBytes(new Uint8Array(8).fill(255));
    assert.instanceOf(yield* Effect.flip(buffer.readLengthPrefixed(1000)), TooLongError);
    yield* writer.writeAllBytes(new Uint8Array(2000).fill(65));
    const line = buffer.readUntilDelimiter(Uint8Array.of(10), 1000);
    assert.instanceOf(yield* Effect.flip(line), TooLongError);
  });

  it("keeps what has arrived when it is interrupted", function* () {
    const { reader, writer } = yield* asyncPipe;
    const buffer = new AsyncReadBuffer(reader);
    yield* writer.writeAllBytes(Uint8Array.of(1, 2));
    const reading = yield* Effect.forkChild(buffer.readLength(4), { startImmediately: true });
    yield* Fiber.interrupt(reading);
    yield* writer.writeAllBytes(Uint8Array.of(3, 4));
    assert.deepEqual(yield* buffer.readLength(4), Uint8Array.of(1, 2, 3, 4));
  });
});
