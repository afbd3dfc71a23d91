import { type Codec, EPOLL, type EpollEvent, Errno, listOf, MSG } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import type { MemoryTransport } from "@rsyscall/memory";
import {
  type EventWaits,
  type Fd,
  isError,
  PendingEvents,
  SyscallError,
  SyscallHangup,
  type Word,
} from "@rsyscall/near";
import {
  decodeResult,
  EVENTS_AT_MOST,
  encodeRequest,
  OP_EPOLL_WAIT,
  REQUEST_PROMPT,
  REQUEST_SIZE,
  RESULT_SIZE,
} from "@rsyscall/wire";
import { Effect, Scope } from "effect";
import { Queue } from "./internal/Queue.ts";
import { type MappedMemory, ownMemory } from "./SharedMemory.ts";
import {
  type ConnectionFields,
  type ConnectionOptions,
  connectionFields,
  type Relay,
  SyscallConnection,
} from "./SyscallConnection.ts";

/** Requests that one write takes: as many as the server reads at a time. */
const SEND_AT_MOST = 64;

/** Bytes of requests on their way out, and of results that one read takes. */
const OUT_SIZE = SEND_AT_MOST * REQUEST_SIZE;
const IN_SIZE = 4096;

/** Reads of the socket before other fibers get their turn. */
const READS = 16;

/** A request for which there is no room yet. */
interface Waiting {
  readonly number: number;
  readonly flags: number;
  readonly words: ReadonlyArray<Word>;
}

/**
 * System calls over a stream socket.
 *
 * Requests go out in the order in which they are made, and results come back in that order, with any
 * number in flight: what is submitted in one turn of the event loop leaves in few writes.
 */
export class SyscallSocket<M extends MemoryTransport = MemoryTransport>
  extends SyscallConnection<M>
  implements EventWaits
{
  /** Waits for events that the server makes itself: EPOLL_WAIT of `docs/protocol.md`. */
  readonly waits: EventWaits = this;
  readonly #sendto: number;
  readonly #recvfrom: number;
  /** Memory of this process: OUT_SIZE bytes for requests, and behind them IN_SIZE for results. */
  readonly #buffer: MappedMemory;
  readonly #view: DataView;
  /** Bytes of requests in the buffer, and how many of them have been sent. */
  #filled = 0;
  #sent = 0;
  readonly #waiting = new Queue<Waiting>();
  /** Bytes of an answer of which only a part has come. */
  #carried = 0;
  readonly #relay: Relay | undefined;
  readonly #eventSize: number;
  readonly #eventList: Codec<ReadonlyArray<EpollEvent>>;
  /** How many of the pending calls are waits for events. */
  #eventWaits = 0;
  #flushing = false;
  #delivering = false;
  #holding = false;

  private constructor(fields: ConnectionFields<M>, buffer: MappedMemory) {
    super(fields);
    const { abi } = fields.local;
    this.#sendto = abi.syscallNumber("sendto") as number;
    this.#recvfrom = abi.syscallNumber("recvfrom") as number;
    this.#relay = fields.relay;
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer);
    const { epollEvent } = fields.abi;
    this.#eventSize = epollEvent.size;
    this.#eventList = listOf(epollEvent);
  }

  /**
   * Makes system calls in the task at the other end of a socket. The scope closes the connection: calls without an
   * answer then fail with `SyscallHangup`.
   */
  static make<M extends MemoryTransport>(
    options: ConnectionOptions<M>,
  ): Effect.Effect<SyscallSocket<M>, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const fields = yield* connectionFields(options);
      const { allocator } = options.socket.task;
      const size = OUT_SIZE + IN_SIZE;
      const { address } = yield* Effect.acquireRelease(allocator.malloc(size, 8), (allocation) =>
        allocation.free(),
      );
      const buffer = yield* ownMemory.map(address, size);
      const connection = new SyscallSocket(fields, buffer);
      yield* Scope.addFinalizer(yield* Effect.scope, connection.close());
      yield* options.epoller.watch(
        options.socket,
        (hasEnded) => connection.#onReady(hasEnded),
        EPOLL.IN | EPOLL.OUT,
      );
      options.relay?.onArrival(() => connection.#onReady(false));
      return connection;
    });
  }

  awaitEvents(epoll: Fd, most: number): PendingEvents {
    const call = new PendingEvents(Math.min(most, EVENTS_AT_MOST));
    return this.enqueue(call, epoll, call.most, 0, 0, 0, 0);
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
    const flags = isPrompt ? REQUEST_PROMPT : 0;
    const words = [a, b, c, d, e, f];
    if (this.#filled === OUT_SIZE) this.#waiting.push({ number, flags, words });
    else this.#put(number, flags, words);
    // A wait for events alone does not keep the event loop going: see `EventWaits`.
    if (number === OP_EPOLL_WAIT) this.#eventWaits++;
    else if (!this.#holding) {
      this.#holding = true;
      this.epoller.hold();
    }
    // Later in this turn, so that further requests go out in the same write.
    if (!this.#delivering && !this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => {
        this.#flushing = false;
        this.#flush();
      });
    }
  }

  #put(number: number, flags: number, words: ReadonlyArray<Word>): void {
    encodeRequest(this.#view, this.#filled, number, flags, words);
    this.#filled += REQUEST_SIZE;
  }

  /** Nothing comes back before the event loop has had its turn. */
  settle(): void {}

  protected get unsent(): number {
    return Math.ceil((this.#filled - this.#sent) / REQUEST_SIZE) + this.#waiting.length;
  }

  /** Sends what the socket takes. The epoller tells when it takes more. */
  #flush(): void {
    while (!this.hasEnded && this.#sent < this.#filled) {
      const sent = this.local.submit(
        this.#sendto,
        this.fd,
        this.#buffer.address + this.#sent,
        this.#filled - this.#sent,
        MSG.NOSIGNAL | MSG.DONTWAIT,
        0,
        0,
      );
      if (sent === -Errno.EAGAIN) return;
      if (isError(sent)) {
        // Results from before the end are as good as any other.
        this.#receive();
        this.fail(SyscallError.from("sendto", sent, `fd ${this.fd}`));
        return;
      }
      this.#relay?.sent();
      this.#sent += Number(sent);
      if (this.#sent === this.#filled) this.#refill();
    }
  }

  /** Fills the buffer, which is empty, with requests that wait. */
  #refill(): void {
    this.#sent = 0;
    this.#filled = 0;
    while (this.#filled < OUT_SIZE) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) return;
      this.#put(waiting.number, waiting.flags, waiting.words);
    }
  }

  #onReady(hasEnded: boolean): void {
    if (this.hasEnded) return;
    if (hasEnded) this.fail(new Error("the event loop has ended"));
    else if (!this.#delivering) {
      this.#flush();
      this.#receive();
    }
  }

  /** Reads results and completes their calls, until there are no more, or the other side has hung up. */
  #receive(): void {
    for (let reads = 0; !this.hasEnded; reads++) {
      if (reads === READS) {
        // The server answers faster than we read. Other fibers get their turn first.
        this.goOnLater();
        return;
      }
      const got: Word = this.local.submit(
        this.#recvfrom,
        this.fd,
        this.#buffer.address + OUT_SIZE + this.#carried,
        IN_SIZE - this.#carried,
        MSG.DONTWAIT,
        0,
        0,
      );
      if (got === -Errno.EAGAIN) return;
      if (got === 0 || got === -Errno.ECONNRESET) this.failAtEnd();
      else if (isError(got)) this.fail(SyscallError.from("recvfrom", got, `fd ${this.fd}`));
      else this.#deliver(this.#carried + Number(got));
    }
  }

  protected goOn(): void {
    this.#onReady(false);
  }

  /** Completes the calls of whole answers, in `size` bytes, and keeps the bytes of an answer that is not whole. */
  #deliver(size: number): void {
    const end = OUT_SIZE + size;
    let at = OUT_SIZE;
    this.#delivering = true;
    while (at + RESULT_SIZE <= end && !this.hasEnded) {
      const result = decodeResult(this.#view, at);
      const { first } = this.pending;
      const behind = first instanceof PendingEvents ? this.#sizeOfEvents(first, result) : 0;
      if (this.hasEnded || at + RESULT_SIZE + behind > end) break;
      at += RESULT_SIZE;
      const call = this.pending.shift();
      if (call === undefined) this.fail(new Error("the server sent a result without a request"));
      else if (call instanceof PendingEvents) this.#completeWait(call, result, at, behind);
      else call.complete(result);
      at += behind;
    }
    this.#delivering = false;
    if (this.hasEnded) return;
    new Uint8Array(this.#buffer.buffer).copyWithin(OUT_SIZE, at, end);
    this.#carried = end - at;
    if (this.pending.length === this.#eventWaits) this.#letGo();
    // Fibers that got a result have made their next requests by now.
    this.#flush();
  }

  /** How many bytes of events are behind a result. */
  #sizeOfEvents({ most }: PendingEvents, count: Word): number {
    if (isError(count)) return 0;
    if (typeof count === "number" && count >= 0 && count <= most) return count * this.#eventSize;
    this.fail(new Error(`the server sent ${count} events, and was asked for ${most}`));
    return 0;
  }

  #completeWait(call: PendingEvents, result: Word, at: number, size: number): void {
    this.#eventWaits--;
    if (isError(result)) {
      call.complete(result);
      return;
    }
    let events: ReadonlyArray<EpollEvent>;
    try {
      events = this.#eventList.decode(new Uint8Array(this.#buffer.buffer, at, size));
    } catch (cause) {
      // A number that we never gave: the task has registered something itself.
      this.fail(cause);
      call.complete(new SyscallHangup({ syscall: "epoll_wait", cause }));
      return;
    }
    call.completeWith(events);
  }

  #letGo(): void {
    if (this.#holding) this.epoller.letGo();
    this.#holding = false;
  }

  protected override hangUp(): void {
    this.#waiting.clear();
    this.#letGo();
    super.hangUp();
  }
}
