import { type Abi, Bytes, promptSyscalls } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import type { MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  type ConnectionError,
  decodeResult,
  encodeRequest,
  type Fd,
  OP_CLONE,
  OP_COPY,
  OP_RECV_ALL,
  OP_SEND_ALL,
  REQUEST_PROMPT,
  REQUEST_SIZE,
  RESULT_SIZE,
  SyscallHangup,
  type SyscallInterface,
  SyscallSendError,
  type Word,
} from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { Queue } from "./internal/Queue.ts";

/** Requests that one write takes: as many as the server reads at a time. */
const SEND_AT_MOST = 64;

/** Bytes of results that one read takes. */
const READ_SIZE = 4096;

/** Gets the result of a request, or the reason why there will be none. */
export type OnResult = (result: Word | ConnectionError) => void;

interface Pending {
  readonly number: number;
  readonly onResult: OnResult;
}

/**
 * System calls over a stream socket, at whose other end a task runs the server loop.
 *
 * Requests go out in the order in which they are made, and results come back in that order, with any
 * number in flight: what is submitted in one turn of the event loop leaves in one write.
 */
export class SyscallConnection implements SyscallInterface {
  readonly abi: Abi;
  readonly activityFd: Fd;
  readonly #socket: AsyncFileDescriptor<Socket>;
  readonly #prompt: ReadonlySet<number>;
  readonly #memory: MemoryTransport;

  /** Requests whose results have not come, oldest first. */
  readonly #pending = new Queue<Pending>();
  /** Requests that are encoded and not yet given to the socket. */
  #outgoing = new DataView(new ArrayBuffer(64 * REQUEST_SIZE));
  #outgoingCount = 0;
  #flushing = false;
  #delivering = false;
  /** Memory of our end's task from which requests are sent. */
  readonly #sendBuffer: Address;
  /** Why the connection has ended. */
  #end: { readonly cause: unknown } | undefined;
  readonly #onEnd = new Set<() => void>();

  private constructor(
    abi: Abi,
    socket: AsyncFileDescriptor<Socket>,
    activityFd: Fd,
    sendBuffer: Address,
    memory: (connection: SyscallConnection) => MemoryTransport,
  ) {
    this.abi = abi;
    this.#sendBuffer = sendBuffer;
    this.#socket = socket;
    this.activityFd = activityFd;
    this.#prompt = promptNumbers(abi);
    this.#memory = memory(this);
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
  ): Effect.Effect<SyscallConnection, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const buffer = yield* socket.handle.task.malloc(Bytes, SEND_AT_MOST * REQUEST_SIZE);
      const sendBuffer = yield* buffer.address;
      const connection = new SyscallConnection(abi, socket, serverFd, sendBuffer, memory);
      yield* Effect.addFinalizer(() => connection.close);
      yield* Effect.forkScoped(connection.#receive);
      return connection;
    });
  }

  /** Whether calls can no longer be made. */
  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Whether there are calls without a result. */
  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Calls back once, when the connection ends, from whichever side. */
  onEnd(callback: () => void): void {
    if (this.#end !== undefined) callback();
    else this.#onEnd.add(callback);
  }

  /** Completes when the connection ends. */
  readonly ended: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const onEnd = () => resume(Effect.void);
    this.onEnd(onEnd);
    return Effect.sync(() => this.#onEnd.delete(onEnd));
  });

  syscall(
    number: number,
    a: Word = 0,
    b: Word = 0,
    c: Word = 0,
    d: Word = 0,
    e: Word = 0,
    f: Word = 0,
  ): Effect.Effect<Word, ConnectionError> {
    return Effect.uninterruptible(
      Effect.callback<Word, ConnectionError>((resume) =>
        this.submit(number, [a, b, c, d, e, f], (result) =>
          resume(typeof result === "object" ? Effect.fail(result) : Effect.succeed(result)),
        ),
      ),
    );
  }

  read(address: Address, length: number) {
    return this.#memory.read(address, length);
  }

  write(address: Address, bytes: Uint8Array) {
    return this.#memory.write(address, bytes);
  }

  /** Results come in order, so it is done when a call that does nothing is. */
  readonly barrier: Effect.Effect<void, ConnectionError> = Effect.suspend(() =>
    Effect.asVoid(this.syscall(this.abi.syscallNumber("getpid") as number)),
  );

  readonly close: Effect.Effect<void> = Effect.sync(() => this.fail(undefined));

  /** Submits a request now. `onResult` is called exactly once. */
  submit(number: number, words: ReadonlyArray<Word>, onResult: OnResult): void {
    if (this.#end !== undefined) {
      onResult(this.#sendError(number));
      return;
    }
    const at = this.#outgoingCount * REQUEST_SIZE;
    if (at === this.#outgoing.byteLength) this.#growOutgoing();
    const flags = this.#prompt.has(number) ? REQUEST_PROMPT : 0;
    encodeRequest(this.#outgoing, at, number, flags, words);
    this.#outgoingCount++;
    this.#pending.push({ number, onResult });
    // After what runs now, so that its other requests go out in the same write.
    if (!this.#delivering && !this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => Effect.runFork(this.#flush));
    }
  }

  #growOutgoing(): void {
    const larger = new Uint8Array(2 * this.#outgoing.byteLength);
    larger.set(new Uint8Array(this.#outgoing.buffer));
    this.#outgoing = new DataView(larger.buffer);
  }

  readonly #flush: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#outgoingCount === 0 || this.#end !== undefined) {
      this.#flushing = false;
      return Effect.void;
    }
    const count = Math.min(this.#outgoingCount, SEND_AT_MOST);
    const bytes = new Uint8Array(this.#outgoing.buffer, 0, count * REQUEST_SIZE).slice();
    new Uint8Array(this.#outgoing.buffer).copyWithin(0, bytes.length);
    this.#outgoingCount -= count;
    return Effect.matchEffect(this.#send(bytes), {
      onSuccess: () => this.#flush,
      onFailure: (cause) => Effect.sync(() => this.fail(cause)),
    });
  });

  #send(bytes: Uint8Array): Effect.Effect<void, HandleFailure> {
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
      const pending = this.#pending.shift();
      if (pending === undefined) {
        this.fail(new Error("the server sent a result that nobody asked for"));
        break;
      }
      pending.onResult(decodeResult(view, at));
    }
    this.#delivering = false;
    // Whoever got a result has made its next request by now.
    if (this.#outgoingCount > 0 && !this.#flushing) {
      this.#flushing = true;
      Effect.runFork(this.#flush);
    }
    return bytes.slice(at);
  }

  /** Ends the connection: nothing more is sent, and nobody waits any longer. */
  fail(cause: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { cause };
    // The server hears of it too; the socket itself belongs to whoever made it.
    Effect.runFork(Effect.ignore(this.#socket.handle.shutdown(2 /* SHUT_RDWR */)));
    let sent = this.#pending.length - this.#outgoingCount;
    for (let pending = this.#pending.shift(); pending; pending = this.#pending.shift()) {
      const error =
        sent-- > 0
          ? new SyscallHangup({ syscall: this.#name(pending.number), cause })
          : this.#sendError(pending.number);
      pending.onResult(error);
    }
    for (const onEnd of this.#onEnd) onEnd();
    this.#onEnd.clear();
  }

  #sendError(number: number): SyscallSendError {
    return new SyscallSendError({ syscall: this.#name(number), cause: this.#end?.cause });
  }

  #name(number: number): string {
    return operationNames.get(number) ?? this.abi.syscallName(number);
  }
}

const promptNumbersOf = new Map<Abi, ReadonlySet<number>>();

/** Numbers of the requests that wait for nothing. */
const promptNumbers = (abi: Abi): ReadonlySet<number> => {
  let numbers = promptNumbersOf.get(abi);
  if (numbers === undefined) {
    const calls = [...promptSyscalls].flatMap((name) => abi.syscallNumber(name) ?? []);
    numbers = new Set([...calls, OP_COPY]);
    promptNumbersOf.set(abi, numbers);
  }
  return numbers;
};

const operationNames: ReadonlyMap<number, string> = new Map([
  [OP_SEND_ALL, "memory read"],
  [OP_RECV_ALL, "memory write"],
  [OP_CLONE, "clone"],
  [OP_COPY, "memory copy"],
]);

const concat = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
};
