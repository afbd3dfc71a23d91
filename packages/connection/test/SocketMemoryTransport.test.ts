import { Errno } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Address, getpid, SyscallError, SyscallHangup, SyscallSendError } from "@rsyscall/near";
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
