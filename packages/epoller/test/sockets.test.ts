import { writeFileSync } from "node:fs";
import { createServer, connect as netConnect, type Server } from "node:net";
import { AF, Errno, O, SOCK, type Sockaddr } from "@rsyscall/abi";
import { bindUnix, pipe, Socket, UseAfterFreeError } from "@rsyscall/handle";
import { it, launchStub, tempDirectory } from "@rsyscall/harness";
import type { LocalSyscallInterface, SyscallError } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (string: string) => new TextEncoder().encode(string);

/** A server of Node's that sends back what it gets, and its port. */
const echoServer = (host: string) =>
  Effect.acquireRelease(
    Effect.callback<{ server: Server; port: number }>((resume) => {
      const server = createServer((socket) => socket.pipe(socket));
      server.listen(0, host, () => {
        const address = server.address();
        resume(Effect.succeed({ server, port: (address as { port: number }).port }));
      });
    }),
    ({ server }) => Effect.sync(() => server.close()),
  );

const places = [
  ["here", LocalThread],
  ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
] as const;

/** A socket of a thread at a path, for connections. */
const listen = (thread: Thread) =>
  Effect.gen(function* () {
    const path = `${yield* tempDirectory}/socket`;
    const socket = yield* Socket.make(thread.task, AF.UNIX, SOCK.STREAM);
    yield* bindUnix(socket, path);
    yield* socket.listen(8);
    return { path, listening: yield* thread.makeAfd(socket) };
  });

const families = [
  ["inet", "127.0.0.1", AF.INET],
  ["inet6", "::1", AF.INET6],
] as const;

describe("asynchronous sockets", () => {
  for (const [where, threadOf] of places)
    it(`are accepted as non-blocking ones, and registered once something waits, ${where}`, function* () {
      const thread = yield* threadOf;
      const { path, listening } = yield* listen(thread);
      const client = netConnect(path);
      yield* Effect.callback<void>(
        (resume) => void client.on("connect", () => resume(Effect.void)),
      );
      const calls: Array<string> = [];
      yield* thread.trace(({ _tag, call }) => {
        if (_tag === "Ended") calls.push(call.name);
      });
      const accepted = yield* listening.accept();
      assert.deepEqual(calls.splice(0), ["accept4"]);
      assert.ok((yield* accepted.handle.statusFlags()) & O.NONBLOCK);
      calls.splice(0);
      // Several wait at once, each for an event of its own, and one is interrupted.
      const interrupted = yield* Effect.forkChild(accepted.readBytes(), {
        startImmediately: true,
      });
      const hangUp = yield* Effect.forkChild(accepted.waitForRdhup(), { startImmediately: true });
      yield* Fiber.interrupt(interrupted);
      const reading = yield* Effect.forkChild(accepted.readBytes(), { startImmediately: true });
      client.write("hello");
      assert.equal(text(yield* Fiber.join(reading)), "hello");
      assert.equal(calls.filter((name) => name === "epoll_ctl").length, 1);
      client.end();
      yield* Fiber.join(hangUp);
      assert.equal((yield* accepted.readBytes()).length, 0);
      client.destroy();
    });

  for (const [where, threadOf] of places)
    it(`that were accepted wake those who wait when they are closed, ${where}`, function* () {
      const thread = yield* threadOf;
      const { path, listening } = yield* listen(thread);
      const client = netConnect(path);
      for (const waits of [true, false]) {
        const accepted = yield* listening.accept();
        const reading = yield* Effect.forkChild(Effect.flip(accepted.readBytes()), {
          startImmediately: waits,
        });
        yield* accepted.close();
        assert.instanceOf(yield* Fiber.join(reading), UseAfterFreeError);
        assert.instanceOf(yield* Effect.flip(accepted.waitForRdhup()), UseAfterFreeError);
        if (waits)
          netConnect(path)
            .on("error", () => {})
            .unref();
      }
      client.destroy();
    });

  for (const [where, threadOf] of places)
    for (const [family, host, domain] of families) {
      it(`connect to ${host}, ${where}`, function* () {
        const thread = yield* threadOf;
        const { port } = yield* echoServer(host);
        const socket = yield* thread.makeAfd(yield* Socket.make(thread.task, domain, SOCK.STREAM));
        yield* socket.connect({ family, address: host, port });
        assert.deepInclude(yield* socket.handle.peerAddress(), { family, address: host, port });
        yield* socket.sendAllBytes(bytes("there and back"));
        assert.equal(text(yield* socket.recvBytes(5)), "there");
        assert.equal(text(yield* socket.recvBytes()), " and back");
      });

      it(`listen on ${host}, ${where}, and say who has connected`, function* () {
        const thread = yield* threadOf;
        const socket = yield* Socket.make(thread.task, domain, SOCK.STREAM);
        yield* socket.bind({ family, address: host, port: 0 });
        yield* socket.listen(8);
        const listening = yield* thread.makeAfd(socket);
        const { port } = (yield* socket.address()) as Extract<Sockaddr, { port: number }>;
        const accepting = yield* Effect.forkChild(listening.acceptFrom(), {
          startImmediately: true,
        });
        const client = netConnect(port, host);
        const [accepted, peer] = yield* Fiber.join(accepting);
        assert.deepInclude(peer, { family, address: host, port: client.localPort as number });
        client.end("hello");
        assert.equal(text(yield* thread.readToEof(accepted.handle)), "hello");
        yield* accepted.close();
        client.destroy();
      });

      it(`are told why there is no connection to ${host}, ${where}`, function* () {
        const thread = yield* threadOf;
        const taken = yield* Socket.make(thread.task, domain, SOCK.STREAM);
        yield* taken.bind({ family, address: host, port: 0 });
        // Bound, and nobody listens.
        const { port } = (yield* taken.address()) as Extract<Sockaddr, { port: number }>;
        const socket = yield* thread.makeAfd(yield* Socket.make(thread.task, domain, SOCK.STREAM));
        const error = yield* Effect.flip(socket.connect({ family, address: host, port }));
        assert.deepInclude({ ...error }, { syscall: "connect", errno: "ECONNREFUSED" });
      });
    }

  it("refuse what is no address, before the kernel sees it", function* () {
    const { task } = yield* LocalThread;
    const socket = yield* Socket.make(task, AF.INET, SOCK.STREAM);
    for (const address of ["localhost", "::1", ""]) {
      const error = yield* Effect.flip(socket.connect({ family: "inet", address, port: 1 }));
      assert.equal(error._tag, "InvalidArgumentError");
    }
    const error = yield* Effect.flip(socket.peerAddress());
    assert.equal((error as SyscallError).errno, "ENOTCONN");
  });

  it("are duplex streams over Unix sockets", function* () {
    const thread = yield* LocalThread;
    const path = `${yield* tempDirectory}/socket`;
    const socket = yield* Socket.make(thread.task, AF.UNIX, SOCK.STREAM);
    yield* bindUnix(socket, path);
    yield* socket.listen(8);
    const listening = yield* thread.makeAfd(socket);
    const client = yield* thread.makeAfd(yield* Socket.make(thread.task, AF.UNIX, SOCK.STREAM));
    yield* client.connect({ family: "unix", path });
    const server = yield* listening.accept();
    yield* Effect.forkChild(Stream.run(server.stream(), server.sendSink()));
    const parts = Array.from({ length: 300 }, (_, i) => new Uint8Array(5000).fill(i));
    const sending = yield* Effect.forkChild(
      Effect.andThen(Stream.run(Stream.fromArray(parts), client.sink), client.handle.shutdown(1)),
    );
    let at = 0;
    yield* Stream.runForEach(client.stream(7001), (part) =>
      Effect.sync(() => {
        for (const byte of part)
          if (byte !== (Math.floor(at++ / 5000) & 0xff)) assert.fail(`byte ${at - 1} is ${byte}`);
        if (at === 300 * 5000) Effect.runFork(server.handle.shutdown(1));
      }),
    );
    yield* Fiber.join(sending);
    assert.equal(at, 300 * 5000);
  });
});

describe("closing", () => {
  for (const [where, threadOf] of places)
    it(`ends what waits with an error that says so, ${where}`, function* () {
      const thread = yield* threadOf;
      const [reader] = yield* pipe(thread.task);
      const afd = yield* thread.makeAfd(reader);
      const reading = yield* Effect.forkChild(afd.readBytes(), { startImmediately: true });
      yield* thread.task.sysif.barrier();
      assert.isUndefined(reading.pollUnsafe());
      yield* afd.close();
      assert.instanceOf(yield* Effect.flip(Fiber.join(reading)), UseAfterFreeError);
      assert.instanceOf(yield* Effect.flip(afd.readBytes()), UseAfterFreeError);
    });
});

describe("a stream of a descriptor", () => {
  it("reads nothing before it is asked for, and nothing after it is left", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* pipe(thread.task);
    const afd = yield* thread.makeAfd(reader);
    yield* writer.writeAllText("one two three");
    const first = yield* Stream.runHead(afd.stream(4));
    assert.equal(text((first as { value: Uint8Array }).value), "one ");
    assert.equal(text(yield* afd.readBytes()), "two three");
  });

  it("holds a writer back that is faster than the reader", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* pipe(thread.task);
    const from = yield* thread.makeAfd(reader);
    const to = yield* thread.makeAfd(writer);
    const writing = yield* Effect.forkChild(
      Effect.andThen(
        Stream.run(Stream.fromArray([new Uint8Array(1_000_000)]), to.sink),
        to.close(),
      ),
      { startImmediately: true },
    );
    assert.isUndefined(writing.pollUnsafe());
    const size = yield* Stream.runFold(
      from.stream(),
      () => 0,
      (sum, part: Uint8Array) => sum + part.length,
    );
    assert.equal(size, 1_000_000);
    yield* Fiber.join(writing);
  });
});

describe("copying within a task", () => {
  for (const [where, threadOf] of places) {
    it(`splices a pipe into another until the end ${where}, whoever is slow`, function* () {
      const thread = yield* threadOf;
      const [source, into] = yield* thread.pipe();
      const [result, outOf] = yield* thread.pipe();
      const from = yield* thread.makeAfd(source);
      const to = yield* thread.makeAfd(outOf);
      const sent = Uint8Array.from({ length: 400_000 }, (_, i) => (i * 11) % 253);
      const copying = yield* Effect.forkChild(
        Effect.tap(from.spliceTo(to), () => to.close()),
        { startImmediately: true },
      );
      yield* Effect.forkChild(Effect.andThen(thread.writeAll(into, sent), into.close()));
      assert.equal(Buffer.compare(yield* thread.readToEof(result), sent), 0);
      assert.equal(yield* Fiber.join(copying), sent.length);
    });

    it(`sends a file into a socket ${where}`, function* () {
      const thread = yield* threadOf;
      const path = `${yield* tempDirectory}/file`;
      const sent = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 17) % 255);
      writeFileSync(path, sent);
      const [ours, theirs] = yield* Socket.pair(thread.task);
      const to = yield* thread.makeAfd(ours);
      const file = yield* thread.open(path);
      const sending = yield* Effect.forkChild(
        Effect.tap(to.sendFile(file), () => to.close()),
        { startImmediately: true },
      );
      assert.equal(Buffer.compare(yield* thread.readToEof(theirs), sent), 0);
      assert.equal(yield* Fiber.join(sending), sent.length);
    });
  }

  for (const syscall of ["splice", "sendfile"] as const)
    it(`do not wait for who is ready again before ${syscall} is`, function* () {
      const thread = yield* LocalThread;
      const sysif = thread.task.sysif as LocalSyscallInterface;
      const [source, into] = yield* thread.pipe();
      const [ours, theirs] = yield* Socket.pair(thread.task);
      const [from, to] = [yield* thread.makeAfd(source), yield* thread.makeAfd(ours)];
      const piece = new Uint8Array(65_536).fill(1);
      const path = `${yield* tempDirectory}/file`;
      writeFileSync(path, piece);
      yield* into.writeAllBytes(piece);
      yield* into.close();
      let filled = 0;
      const fill = Effect.map(ours.writeBytes(piece), (count) => {
        filled += count;
      });
      yield* Effect.ignore(Effect.forever(fill));
      // Until all has been told that is to be told of the two.
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve)));
      // The reader takes all of it after an EAGAIN, and before anything else happens.
      const { submit } = sysif;
      let drained = 0;
      sysif.submit = (...words) => {
        const result = submit.apply(sysif, words);
        if (words[0] === sysif.abi.syscallNumber(syscall) && result === -Errno.EAGAIN) {
          sysif.submit = submit;
          while (drained < filled) drained += Effect.runSync(theirs.readBytes(filled)).length;
        }
        return result;
      };
      const copy = syscall === "splice" ? from.spliceTo(to) : to.sendFile(yield* thread.open(path));
      const copying = yield* Effect.forkChild(copy, { startImmediately: true });
      let rest = piece.length;
      while (rest > 0) rest -= (yield* theirs.readBytes(rest)).length;
      assert.equal(yield* Fiber.join(copying), piece.length);
      assert.equal(drained, filled);
    });

  it("is told what cannot be spliced, and can be interrupted", function* () {
    const thread = yield* LocalThread;
    const [a, b] = yield* Socket.pair(thread.task);
    const [from, to] = [yield* thread.makeAfd(a), yield* thread.makeAfd(b)];
    assert.equal(((yield* Effect.flip(from.spliceTo(to))) as SyscallError).errno, "EINVAL");
    const [reader] = yield* thread.pipe();
    const waiting = yield* Effect.forkChild((yield* thread.makeAfd(reader)).spliceTo(to), {
      startImmediately: true,
    });
    assert.isUndefined(waiting.pollUnsafe());
    yield* Fiber.interrupt(waiting);
  });
});
