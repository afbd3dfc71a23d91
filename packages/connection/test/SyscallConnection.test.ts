import { x86_64 } from "@rsyscall/abi";
import { AsyncFileDescriptor } from "@rsyscall/epoller";
import { Socket } from "@rsyscall/handle";
import { Fd, getpid, SyscallHangup, SyscallSendError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import { it } from "../../../tests/harness/index.ts";
import { REQUEST_SIZE, SyscallConnection } from "../src/index.ts";

/** A connection whose other end is played by the test. */
const connect = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const [ours, theirs] = yield* Socket.pair(thread.task);
  const epoller = yield* thread.epoller;
  const socket = yield* AsyncFileDescriptor.make(epoller, ours);
  const unused = { read: () => Effect.die("unused"), write: () => Effect.die("unused") };
  const sysif = yield* SyscallConnection.make(x86_64, socket, Fd(0), () => unused);
  return { sysif, peer: yield* AsyncFileDescriptor.make(epoller, theirs) };
});

const result = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return bytes;
};

describe("SyscallConnection", () => {
  it("sends what is submitted together in one write, and takes results in pieces", function* () {
    const { sysif, peer } = yield* connect;
    const calls = yield* Effect.forkChild(
      Effect.all([getpid(sysif), getpid(sysif), getpid(sysif)], { concurrency: "unbounded" }),
      { startImmediately: true },
    );
    assert.equal((yield* peer.readBytes()).length, 3 * REQUEST_SIZE);
    for (const byte of [...result(1n), ...result(2n), ...result(3n)])
      yield* Effect.andThen(peer.sendAllBytes(Uint8Array.of(byte)), Effect.yieldNow);
    assert.deepEqual(yield* Fiber.join(calls), [1, 2, 3].map(Number) as never);
  });

  it("hangs up when the peer does, in the middle of a result", function* () {
    const { sysif, peer } = yield* connect;
    const calling = yield* Effect.forkChild(getpid(sysif), { startImmediately: true });
    yield* peer.readBytes();
    yield* peer.sendAllBytes(result(1n).subarray(0, 5));
    yield* peer.handle.close;
    assert.instanceOf(yield* Effect.flip(Fiber.join(calling)), SyscallHangup);
    yield* sysif.ended;
    assert.instanceOf(yield* Effect.flip(getpid(sysif)), SyscallSendError);
  });

  it("hangs up on a peer that answers what nobody asked", function* () {
    const { sysif, peer } = yield* connect;
    yield* peer.sendAllBytes(result(1n));
    yield* sysif.ended;
    assert.isTrue(sysif.hasEnded);
    assert.equal((yield* peer.readBytes()).length, 0);
  });

  it("tells calls that were sent from calls that were not, when it is closed", function* () {
    const { sysif, peer } = yield* connect;
    const sent = yield* Effect.forkChild(getpid(sysif), { startImmediately: true });
    yield* peer.readBytes();
    const unsent = yield* Effect.forkChild(getpid(sysif), { startImmediately: true });
    yield* sysif.close;
    assert.instanceOf(yield* Effect.flip(Fiber.join(sent)), SyscallHangup);
    assert.instanceOf(yield* Effect.flip(Fiber.join(unsent)), SyscallSendError);
  });
});
