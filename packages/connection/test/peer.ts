import { x86_64 } from "@rsyscall/abi";
import { AsyncFileDescriptor } from "@rsyscall/epoller";
import { Socket } from "@rsyscall/handle";
import { Fd } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { REQUEST_SIZE } from "@rsyscall/wire";
import { Effect, Fiber } from "effect";
import { SocketMemoryTransport, SyscallSocket } from "../src/index.ts";

/** The number that the server is said to have its end of the data socket at. */
export const DATA_FD = 77;

/** A connection whose other end, `peer` and `data`, is played by the test. */
export const connect = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const epoller = yield* thread.epoller();
  const pair = Effect.gen(function* () {
    const [ours, theirs] = yield* Socket.pair(thread.task);
    return [
      yield* AsyncFileDescriptor.make(epoller, ours),
      yield* AsyncFileDescriptor.make(epoller, theirs),
    ] as const;
  });
  const [calls, theirs] = yield* Socket.pair(thread.task);
  const peer = yield* AsyncFileDescriptor.make(epoller, theirs);
  const [ourData, data] = yield* pair;
  const sysif = yield* SyscallSocket.make({
    abi: x86_64,
    socket: calls,
    epoller,
    serverFd: Fd(0),
    memory: (connection) => new SocketMemoryTransport(connection, ourData, Fd(DATA_FD)),
  });
  return { sysif, peer, data };
});

/** A result as it travels. */
export const result = (value: number | bigint): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
};

/** Exactly so many bytes of what the peer is sent. */
export const receive = (afd: AsyncFileDescriptor<Socket>, length: number) =>
  Effect.gen(function* () {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const part = yield* afd.readBytes(length - at);
      if (part.length === 0) return bytes.subarray(0, at);
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  });

/** The next requests that the peer is sent: their numbers, flags and arguments. */
export const requests = (peer: AsyncFileDescriptor<Socket>, count: number) =>
  Effect.map(receive(peer, count * REQUEST_SIZE), (bytes) => {
    const view = new DataView(bytes.buffer);
    return Array.from({ length: count }, (_, i) => ({
      number: view.getUint32(i * REQUEST_SIZE, true),
      flags: view.getUint32(i * REQUEST_SIZE + 4, true),
      args: Array.from({ length: 6 }, (_, word) =>
        Number(view.getBigInt64(i * REQUEST_SIZE + 8 + 8 * word, true)),
      ),
    }));
  });

/** Starts an operation: it has been submitted when this completes. */
export const begin = <A, E, R>(operation: Effect.Effect<A, E, R>) =>
  Effect.forkChild(operation, { startImmediately: true });

/** Why an operation failed. */
export const failure = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.flip(Fiber.join(fiber));
