import { connect } from "node:net";
import { AF, SOCK } from "@rsyscall/abi";
import { connectUnix, type FileDescriptor, pipe, Socket } from "@rsyscall/handle";
import { execute, it, quietly } from "@rsyscall/harness";
import {
  client,
  HELLO_SIZE,
  hello,
  openFds,
  passing,
  refusal,
  serve,
  stillServes,
  waitForMessage,
} from "@rsyscall/harness/stubClient";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";

describe("a client that is no stub", () => {
  const lies: Record<string, [change: (view: DataView) => void, answer: RegExp]> = {
    "rubbish for a magic": [(v) => v.setUint8(0, 0), /no rsyscall stub/],
    "another version": [(v) => v.setUint32(8, 2, true), /version 2/],
    "another machine": [(v) => v.setUint32(12, 243, true), /ELF machine 243/],
    "a short structure": [(v) => v.setUint32(16, 100, true), /hello of 100 bytes/],
    "a huge structure": [(v) => v.setUint32(16, 2 ** 31, true), /hello of 2147483648 bytes/],
    "1 TiB of arguments": [(v) => v.setBigUint64(32, 2n ** 40n, true), /1099511627804 bytes/],
    "2^64 - 1 bytes of environment": [
      (v) => v.setBigUint64(40, 2n ** 64n - 1n, true),
      /more than the 8388608/,
    ],
    "4 billion descriptors": [(v) => v.setUint32(28, 2 ** 32 - 2, true), /more than the 8388608/],
    "4 billion arguments": [(v) => v.setUint32(20, 2 ** 32 - 1, true), /more than the 8388608/],
    "more arguments than it sends": [(v) => v.setUint32(20, 3, true), /3 strings of argv/],
    "fewer environment strings": [(v) => v.setUint32(24, 0, true), /0 strings of environment/],
    "a string without an end": [(v) => v.setUint8(HELLO_SIZE + 13, 65), /without an end/],
    "pid 0": [(v) => v.setUint32(68, 0, true), /pid 0/],
    "pages of 3 bytes": [(v) => v.setUint32(64, 3, true), /page size 3/],
    "a negative descriptor": [(v) => v.setInt32(84, -1, true), /descriptor -1/],
    "a negative listening descriptor": [(v) => v.setInt32(100, -2, true), /descriptor -2/],
  };
  for (const [name, [change, answer]] of Object.entries(lies))
    it(`is told why it is dropped: ${name}`, function* () {
      const { path, socket } = yield* serve();
      const before = openFds();
      assert.match(refusal(yield* client(socket, hello(change))), answer);
      yield* stillServes(path, before);
    });

  it("may hang up after any number of bytes", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    const whole = hello();
    yield* Effect.forEach(
      Array.from({ length: whole.length + 1 }, (_, length) => length),
      (length) => client(socket, whole.subarray(0, length), true),
      { concurrency: 16 },
    );
    yield* stillServes(path, before);
  });

  it("may take its descriptors and vanish, in the middle of a call", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { bytes, fds } = yield* passing(socket);
        assert.equal(bytes.length, 24);
        assert.equal(fds.length, 4);
      }),
    );
    yield* stillServes(path, before);
  });

  it("may pass and then never answer: others are served meanwhile", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* passing(socket);
        assert.equal((yield* execute(path)).status, 3);
      }),
    );
    yield* stillServes(path, before);
  });

  it("may pass and answer what it was not asked for: it is dropped", function* () {
    const { path, socket } = yield* quietly(serve());
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { fds } = yield* passing(socket);
        const [syscalls] = fds;
        const end = yield* (yield* LocalThread).makeAfd(syscalls as FileDescriptor);
        yield* end.writeAllBytes(new Uint8Array(8 * 1000).fill(255));
        yield* end.waitForRdhup();
      }),
    );
    yield* stillServes(path, before);
  });

  it("may send more than its hello: that is not read", function* () {
    const { socket } = yield* serve();
    const { fds } = yield* passing(socket, new Uint8Array([...hello(), ...hello()]));
    assert.equal(fds.length, 4);
  });

  it("cannot put descriptors into the server", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    const local = (yield* LocalThread).task;
    yield* Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* Socket.make(local, AF.UNIX, SOCK.STREAM);
        yield* connectUnix(connection, socket);
        const [reader, writer] = yield* pipe(local);
        yield* connection.sendFds(hello(), Array(250).fill(writer));
        assert.equal((yield* waitForMessage(connection)).fds.length, 4);
        yield* writer.close();
        // The kernel has closed the sent descriptors: no writer is left, so this is the end of the pipe.
        assert.equal((yield* reader.readBytes()).length, 0);
      }),
    );
    yield* stillServes(path, before);
  });

  it("may say that it stays, as persistent tasks do", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    yield* Effect.scoped(
      passing(
        socket,
        hello((view) => view.setUint32(100, 50, true)),
      ),
    );
    yield* stillServes(path, before);
  });

  it("gets no descriptor before it has passed", function* () {
    const { socket } = yield* serve();
    const lying = hello((view) => view.setUint32(8, 9, true));
    assert.equal((yield* passing(socket, lying)).fds.length, 0);
  });

  it("does not have to read why it is dropped", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    const local = (yield* LocalThread).task;
    const deaf = yield* Socket.make(local, AF.UNIX, SOCK.STREAM);
    yield* connectUnix(deaf, socket);
    yield* deaf.writeAllBytes(new Uint8Array(100));
    // The one more is its own end, which stays open.
    yield* stillServes(path, before + 1);
  });

  it("counts millions of empty arguments, which cost next to nothing", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    const many = 8_000_000;
    const lie = (argc: number) => {
      const bytes = new Uint8Array(HELLO_SIZE + many);
      bytes.set(
        hello((view) => {
          view.setUint32(20, argc, true);
          view.setUint32(24, 0, true);
          view.setBigUint64(32, BigInt(many), true);
          view.setBigUint64(40, 0n, true);
        }).subarray(0, HELLO_SIZE),
      );
      return bytes;
    };
    assert.match(refusal(yield* client(socket, lie(1))), /1 strings of argv announced, and more/);
    assert.match(refusal(yield* client(socket, lie(many))), /72000\d* bytes are more than/);
    yield* stillServes(path, before);
  });

  it("has its time in all, however often it sends a byte", function* () {
    const { path, socket } = yield* serve({ handshakeTimeout: "200 millis" });
    const before = openFds();
    let sent = 0;
    const answer = yield* Effect.callback<Buffer>((resume) => {
      const connection = connect(socket);
      const parts: Array<Buffer> = [];
      const timer = setInterval(() => connection.write(hello().subarray(sent, ++sent)), 20);
      connection.on("error", () => {});
      connection.on("data", (part) => parts.push(part));
      connection.on("close", () => {
        clearInterval(timer);
        resume(Effect.succeed(Buffer.concat(parts)));
      });
    });
    assert.isBelow(sent, hello().length);
    // Node drops unread input when one of its writes comes too late (EPIPE).
    if (answer.length > 0) assert.match(refusal(answer), /no complete hello within 200ms/);
    yield* stillServes(path, before);
  });

  it("may be refused by a rule that throws: the server goes on", function* () {
    const uid = process.getuid?.();
    let asked = 0;
    const { path } = yield* serve({
      allow: (peer) => {
        if (asked++ === 0) throw new Error("as expected");
        return peer.uid === uid;
      },
    });
    assert.equal((yield* execute(path)).status, 69);
    assert.equal((yield* execute(path)).status, 3);
  });

  it("is dropped at the deadline when it stalls, and hundreds of it hold up no other", function* () {
    const { path, socket } = yield* serve({ handshakeTimeout: "300 millis" });
    const before = openFds();
    const stallers = yield* Effect.forkChild(
      Effect.forEach(
        Array.from({ length: 300 }, (_, i) => i),
        (i) => client(socket, hello().subarray(0, i % HELLO_SIZE)),
        { concurrency: "unbounded" },
      ),
      { startImmediately: true },
    );
    assert.equal((yield* execute(path)).status, 3);
    for (const answer of yield* Fiber.join(stallers))
      assert.match(refusal(answer), /no complete hello within 300ms/);
    yield* stillServes(path, before);
  });

  it("waits in the kernel when too many are pending, and real callers get their turn", function* () {
    const { path, socket } = yield* serve({ handshakeTimeout: "200 millis", pendingLimit: 2 });
    const before = openFds();
    const clients = Effect.forEach(
      Array.from({ length: 10 }, (_, i) => i),
      () => client(socket, new Uint8Array(0)),
      { concurrency: "unbounded" },
    );
    const [answers, caller] = yield* Effect.all([clients, execute(path)], { concurrency: 2 });
    for (const answer of answers)
      assert.match(refusal(answer), /no complete hello within|has not said hello/);
    assert.equal(caller.status, 3);
    yield* stillServes(path, before);
  });

  it("is refused by its user id, as the kernel reports it", function* () {
    const uid = process.getuid?.();
    const { path } = yield* serve({ allow: (peer) => peer.uid !== uid });
    const { status, stderr } = yield* execute(path);
    assert.equal(status, 69);
    assert.equal(
      stderr.toString(),
      `stub: rsyscall: the server refused this call: user ${uid} may not call this server\n`,
    );
  });
});
