import { type Abi, Bytes } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import type { MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  decodeResult,
  encodeRequest,
  type Fd,
  REQUEST_PROMPT,
  REQUEST_SIZE,
  RESULT_SIZE,
  type Word,
} from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { SyscallConnection } from "./SyscallConnection.ts";

/** Requests that one write takes: as many as the server reads at a time. */
const SEND_AT_MOST = 64;

/** Bytes of results that one read takes. */
const READ_SIZE = 4096;

/**
 * System calls over a stream socket.
 *
 * Requests go out in the order in which they are made, and results come back in that order, with any
 * number in flight: what is submitted in one turn of the event loop leaves in one write.
 */
export class SyscallSocket extends SyscallConnection {
  readonly #socket: AsyncFileDescriptor<Socket>;
  /** Requests that are encoded and not yet given to the socket. */
  #outgoing = new DataView(new ArrayBuffer(SEND_AT_MOST * REQUEST_SIZE));
  #outgoingCount = 0;
  #flushing = false;
  #delivering = false;
  /** Memory of our end's task from which requests are sent. */
  readonly #sendBuffer: Address;

  private constructor(
    abi: Abi,
    socket: AsyncFileDescriptor<Socket>,
    serverFd: Fd,
    sendBuffer: Address,
    memory: (connection: SyscallConnection) => MemoryTransport,
  ) {
    super(abi, socket.handle, serverFd, memory);
    this.#sendBuffer = sendBuffer;
    this.#socket = socket;
  }

  /**
   * @param socket our end
   * @param serverFd the server's end, as it numbers it
   * @param memory how bytes travel; it may use the connection
   */
  static make(
    abi: Abi,
    socket: AsyncFileDescriptor<Socket>,
    serverFd: Fd,
    memory: (connection: SyscallConnection) => MemoryTransport,
  ): Effect.Effect<SyscallSocket, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const buffer = yield* socket.handle.task.malloc(Bytes, SEND_AT_MOST * REQUEST_SIZE);
      const sendBuffer = yield* buffer.address;
      const connection = new SyscallSocket(abi, socket, serverFd, sendBuffer, memory);
      yield* Effect.addFinalizer(() => connection.close);
      yield* Effect.forkScoped(connection.#receive);
      return connection;
    });
  }

  protected send(
    number: number,
    isPrompt: boolean,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
  ): void {
    const at = this.#outgoingCount * REQUEST_SIZE;
    if (at === this.#outgoing.byteLength) this.#growOutgoing();
    encodeRequest(this.#outgoing, at, number, isPrompt ? REQUEST_PROMPT : 0, [a, b, c, d, e, f]);
    this.#outgoingCount++;
    // After what runs now, so that its other requests go out in the same write.
    if (!this.#delivering && !this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => Effect.runFork(this.#flush));
    }
  }

  /** Nothing comes back before the event loop has had its turn. */
  settle(): void {}

  protected get unsent(): number {
    return this.#outgoingCount;
  }

  #growOutgoing(): void {
    const larger = new Uint8Array(2 * this.#outgoing.byteLength);
    larger.set(new Uint8Array(this.#outgoing.buffer));
    this.#outgoing = new DataView(larger.buffer);
  }

  readonly #flush: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#outgoingCount === 0 || this.hasEnded) {
      this.#flushing = false;
      return Effect.void;
    }
    const count = Math.min(this.#outgoingCount, SEND_AT_MOST);
    const bytes = new Uint8Array(this.#outgoing.buffer, 0, count * REQUEST_SIZE).slice();
    new Uint8Array(this.#outgoing.buffer).copyWithin(0, bytes.length);
    this.#outgoingCount -= count;
    return Effect.matchEffect(this.#sendAll(bytes), {
      onSuccess: () => this.#flush,
      onFailure: (cause) => Effect.sync(() => this.fail(cause)),
    });
  });

  #sendAll(bytes: Uint8Array): Effect.Effect<void, HandleFailure> {
    const sendFrom = (offset: number): Effect.Effect<void, HandleFailure> =>
      Effect.flatMap(
        this.#socket.sendFrom((this.#sendBuffer + offset) as Address, bytes.length - offset),
        (count) => (offset + count < bytes.length ? sendFrom(offset + count) : Effect.void),
      );
    return Effect.andThen(
      this.#socket.handle.task.sysif.write(this.#sendBuffer, bytes),
      sendFrom(0),
    );
  }

  /** Reads results and hands them out, until the other side hangs up. */
  readonly #receive: Effect.Effect<void> = Effect.suspend(() => {
    const { task } = this.#socket.handle;
    let carried = new Uint8Array(0);
    const loop = (buffer: Address): Effect.Effect<void, HandleFailure> =>
      Effect.flatMap(this.#socket.readInto(buffer, READ_SIZE), (count) => {
        if (count === 0) return Effect.void;
        return Effect.flatMap(task.sysif.read(buffer, count), (bytes) => {
          carried = this.#deliver(carried.length === 0 ? bytes : concat(carried, bytes));
          return loop(buffer);
        });
      });
    return Effect.matchEffect(task.withMemory(READ_SIZE, 8, loop), {
      onSuccess: () => Effect.sync(() => this.fail(undefined)),
      onFailure: (cause) => Effect.sync(() => this.fail(cause)),
    });
  });

  /** Hands out whole results; gives back the bytes of one that is not whole yet. */
  #deliver(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    this.#delivering = true;
    for (; at + RESULT_SIZE <= bytes.length; at += RESULT_SIZE) {
      const call = this.pending.shift();
      if (call === undefined) {
        this.fail(new Error("the server sent a result that nobody asked for"));
        break;
      }
      call.complete(decodeResult(view, at));
    }
    this.#delivering = false;
    // Whoever got a result has made its next request by now.
    if (this.#outgoingCount > 0 && !this.#flushing) {
      this.#flushing = true;
      Effect.runFork(this.#flush);
    }
    return bytes.slice(at);
  }
}

const concat = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
};
