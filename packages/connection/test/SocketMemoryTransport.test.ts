import { readFileSync, writeFileSync } from "node:fs";
import { Errno, O } from "@rsyscall/abi";
import { open } from "@rsyscall/handle";
import { it, tempDirectory } from "@rsyscall/harness";
import {
  Address,
  type FileTransfers,
  getpid,
  SyscallError,
  SyscallHangup,
  SyscallSendError,
} from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { OP_RECV_ALL, OP_SEND_ALL } from "@rsyscall/wire";
import { Effect, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";
import { begin, connect, DATA_FD, failure, receive, requests, result } from "./peer.ts";

const at = Address(0x5000);

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251);

describe("a read of memory", () => {
  for (const first of ["the result", "the bytes"])
    it(`takes bytes and result in pieces, when ${first} come first`, function* () {
      const { sysif, peer, data } = yield* connect;
      const reading = yield* begin(sysif.read(at, 20));
      assert.deepEqual(yield* requests(peer, 1), [
        { number: OP_SEND_ALL, flags: 0, args: [DATA_FD, at, 20, 0, 0, 0] },
      ]);
      const answer = peer.sendAllBytes(result(20));
      const content = Effect.forEach(bytes(20), (byte) =>
        Effect.andThen(data.sendAllBytes(Uint8Array.of(byte)), Effect.yieldNow),
      );
      yield* first === "the result"
        ? Effect.andThen(answer, content)
        : Effect.andThen(content, answer);
      assert.deepEqual(yield* Fiber.join(reading), bytes(20));
    });

  it("is told of memory that is not there, and the next one begins in the right place", function* () {
    const { sysif, peer, data } = yield* connect;
    const bad = yield* begin(sysif.read(at, 3));
    const good = yield* begin(sysif.read(at, 2));
    yield* requests(peer, 2);
    yield* data.sendAllBytes(Uint8Array.of(0, 0, 0, 8, 9));
    yield* peer.sendAllBytes(new Uint8Array([...result(-Errno.EFAULT), ...result(2)]));
    const error = yield* failure(bad);
    assert.instanceOf(error, SyscallError);
    assert.deepInclude(error, { syscall: "memory read", errno: "EFAULT" });
    assert.include((error as SyscallError).subject, String(at));
    assert.deepEqual(yield* Fiber.join(good), Uint8Array.of(8, 9));
  });

  it("fails when the data socket ends in the middle, although its result has come", function* () {
    const { sysif, peer, data } = yield* connect;
    const reading = yield* begin(sysif.read(at, 100));
    const behind = yield* begin(sysif.read(at, 100));
    yield* requests(peer, 2);
    yield* peer.sendAllBytes(result(100));
    yield* data.sendAllBytes(bytes(50));
    yield* data.handle.close();
    assert.instanceOf(yield* failure(reading), SyscallHangup);
    assert.instanceOf(yield* failure(behind), SyscallHangup);
    assert.instanceOf(yield* Effect.flip(sysif.read(at, 1)), SyscallSendError);
  });

  it("fails when the connection is given up before its bytes come", function* () {
    const scope = yield* Scope.make();
    const { sysif, peer } = yield* Scope.provide(connect, scope);
    const reading = yield* begin(sysif.read(at, 100));
    yield* requests(peer, 1);
    const next = yield* begin(getpid(sysif));
    yield* requests(peer, 1);
    yield* peer.sendAllBytes(new Uint8Array([...result(100), ...result(1)]));
    assert.equal(yield* Fiber.join(next), 1);
    assert.isUndefined(reading.pollUnsafe());
    yield* Scope.close(scope, yield* Effect.exit(Effect.void));
    assert.instanceOf(yield* failure(reading), SyscallHangup);
  });

  it("ends the connection when the server cannot send: what it sent, nobody knows", function* () {
    const { sysif, peer } = yield* connect;
    const reading = yield* begin(sysif.read(at, 100));
    const behind = yield* begin(sysif.read(at, 100));
    yield* requests(peer, 2);
    // The data socket itself stays open, as it does when a child of the task has a copy of it.
    yield* peer.sendAllBytes(result(-Errno.EBADF));
    assert.deepInclude(yield* failure(reading), { _tag: "SyscallHangup" });
    assert.instanceOf(yield* failure(behind), SyscallHangup);
    assert.isTrue(sysif.hasEnded);
  });

  it("of nothing asks nobody", function* () {
    const { sysif, peer } = yield* connect;
    assert.deepEqual(yield* sysif.read(at, 0), new Uint8Array(0));
    yield* sysif.write(at, new Uint8Array(0));
    const calling = yield* begin(getpid(sysif));
    assert.notEqual((yield* requests(peer, 1))[0]?.number, OP_SEND_ALL);
    yield* peer.sendAllBytes(result(1));
    yield* Fiber.join(calling);
  });
});

describe("a write of memory", () => {
  it("goes out in its place among the requests, whether the peer reads the bytes or not", function* () {
    const { sysif, peer, data } = yield* connect;
    const large = bytes(3_000_000);
    yield* sysif.write(at, large);
    yield* sysif.write(at, Uint8Array.of(1, 2, 3));
    const calling = yield* begin(getpid(sysif));
    const [first, second, third] = yield* requests(peer, 3);
    assert.deepEqual(first?.args.slice(0, 3), [DATA_FD, at, large.length]);
    assert.deepEqual(second?.args.slice(0, 3), [DATA_FD, at, 3]);
    assert.equal(first?.number, OP_RECV_ALL);
    assert.notEqual(third?.number, OP_RECV_ALL);
    assert.equal(Buffer.compare(yield* receive(data, large.length), large), 0);
    assert.deepEqual(yield* receive(data, 3), Uint8Array.of(1, 2, 3));
    yield* peer.sendAllBytes(
      new Uint8Array([...result(large.length), ...result(3), ...result(42)]),
    );
    assert.equal(yield* Fiber.join(calling), 42);
  });

  it("that fails ends the connection, because later calls rely on it", function* () {
    const { sysif, peer } = yield* connect;
    yield* sysif.write(at, bytes(10));
    const calling = yield* begin(getpid(sysif));
    yield* requests(peer, 2);
    yield* peer.sendAllBytes(new Uint8Array([...result(-Errno.EFAULT), ...result(1)]));
    const error = yield* failure(calling);
    assert.instanceOf(error, SyscallHangup);
    assert.include(String((error as SyscallHangup).cause), "memory write");
    assert.instanceOf(yield* Effect.flip(sysif.write(at, bytes(1))), SyscallSendError);
  });

  it("whose bytes nobody takes any more ends the connection", function* () {
    const { sysif, peer, data } = yield* connect;
    yield* sysif.write(at, bytes(5_000_000));
    yield* requests(peer, 1);
    yield* data.handle.close();
    yield* sysif.ended();
  });
});

describe("a file that is sent", () => {
  const sending = Effect.fnUntraced(function* (content: Uint8Array, length: number) {
    const connection = yield* connect;
    const path = `${yield* tempDirectory}/file`;
    writeFileSync(path, content);
    const { task } = yield* LocalThread;
    const file = yield* open(task, path, O.RDONLY);
    const transfers = connection.sysif.transfers as FileTransfers;
    return {
      ...connection,
      file,
      sent: transfers.send(file.borrow(task), 1, at, length),
    };
  });

  it("goes out from its offset, without waiting for the peer's result", function* () {
    const content = bytes(300_001);
    const { peer, data, sent } = yield* sending(content, 300_000);
    const counting = yield* begin(sent);
    assert.deepInclude((yield* requests(peer, 1))[0], { number: OP_RECV_ALL, flags: 0 });
    assert.deepEqual(yield* receive(data, 300_000), content.subarray(1));
    assert.equal(yield* Fiber.join(counting), 300_000);
  });

  it("ends in zeros where it is too short, and the next write is in its place", function* () {
    const { sysif, data, sent } = yield* sending(bytes(100_001), 200_000);
    const counting = yield* begin(sent);
    yield* sysif.write(at, Uint8Array.of(7));
    const came = yield* receive(data, 200_001);
    assert.deepEqual(came.subarray(0, 100_000), bytes(100_001).subarray(1));
    assert.isTrue(came.subarray(100_000, 200_000).every((byte) => byte === 0));
    assert.equal(came[200_000], 7);
    assert.equal(yield* Fiber.join(counting), 100_000);
  });

  it("is zeros if it is closed, which is its error", function* () {
    const { sysif, data, sent, file } = yield* sending(bytes(10), 5);
    yield* file.close();
    const counting = yield* begin(Effect.flip(sent));
    yield* sysif.write(at, Uint8Array.of(7));
    assert.deepEqual(yield* receive(data, 6), Uint8Array.of(0, 0, 0, 0, 0, 7));
    assert.equal((yield* Fiber.join(counting))._tag, "UseAfterFreeError");
  });

  it("fails with the connection, which nothing takes from it any more", function* () {
    const { data, sent } = yield* sending(new Uint8Array(5_000_000), 4_000_000);
    const counting = yield* begin(Effect.flip(sent));
    yield* data.handle.close();
    assert.instanceOf(yield* Fiber.join(counting), SyscallHangup);
    assert.instanceOf(yield* Effect.flip(sent), SyscallSendError);
  });
});

describe("a file that is received", () => {
  const receiving = Effect.fnUntraced(function* (path: string, length: number) {
    const connection = yield* connect;
    const { task } = yield* LocalThread;
    const file = yield* open(task, path, O.WRONLY | O.CREAT, 0o600);
    const transfers = connection.sysif.transfers as FileTransfers;
    return { ...connection, received: transfers.receive(at, length, file.borrow(task), 2) };
  });

  it("gets the bytes at its offset", function* () {
    const path = `${yield* tempDirectory}/file`;
    const { peer, data, received } = yield* receiving(path, 300_000);
    const waiting = yield* begin(received);
    yield* data.sendAllBytes(bytes(300_000));
    yield* peer.sendAllBytes(result(300_000));
    yield* Fiber.join(waiting);
    assert.isTrue(
      readFileSync(path)
        .subarray(2)
        .equals(Buffer.from(bytes(300_000))),
    );
  });

  it("that takes none of them is the error, and the next read is in its place", function* () {
    const { sysif, peer, data, received } = yield* receiving("/dev/full", 200_000);
    const waiting = yield* begin(Effect.flip(received));
    const next = yield* begin(sysif.read(at, 1));
    yield* data.sendAllBytes(bytes(200_000));
    yield* data.sendAllBytes(Uint8Array.of(7));
    yield* peer.sendAllBytes(new Uint8Array([...result(200_000), ...result(1)]));
    assert.deepInclude(yield* Fiber.join(waiting), { errno: "ENOSPC", syscall: "pwrite64" });
    assert.deepEqual(yield* Fiber.join(next), Uint8Array.of(7));
  });

  it("gets nothing more once the connection has failed", function* () {
    const path = `${yield* tempDirectory}/file`;
    const { sysif, peer, data, received } = yield* receiving(path, 100);
    const waiting = yield* begin(Effect.flip(received));
    yield* requests(peer, 1);
    yield* sysif.close();
    assert.instanceOf(yield* Fiber.join(waiting), SyscallHangup);
    yield* data.sendAllBytes(bytes(100));
    yield* Effect.yieldNow;
    assert.equal(readFileSync(path).length, 0);
  });
});
