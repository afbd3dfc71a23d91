import { type Abi, Errno, MSG } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import type { MemoryTransport } from "@rsyscall/memory";
import { isError, type PendingCall, SyscallError, type Word } from "@rsyscall/near";
import { RING_SLOTS } from "@rsyscall/wire";
import { Effect, Scope } from "effect";
import { Budget } from "./internal/Budget.ts";
import { Queue } from "./internal/Queue.ts";
import { nextCall, Ring, SPARE_OFFSET, SPARE_SIZE } from "./internal/Ring.ts";
import type { MappedMemory } from "./SharedMemory.ts";
import {
  type ConnectionFields,
  type ConnectionOptions,
  connectionFields,
  fieldsOf,
  SyscallConnection,
} from "./SyscallConnection.ts";

/** A call that waits for a slot. */
interface Waiting {
  readonly number: number;
  readonly isPrompt: boolean;
  readonly words: readonly [Word, Word, Word, Word, Word, Word];
}

/** Looks at the ring between two looks at the clock. */
const LOOKS = 32;

/** Wakes of the server between two checks whether there is a second CPU by now. */
const RECHECK = 16;

/** Reads of the socket before other fibers get their turn: enough for all that an honest server sends. */
const READS = 16;

/** Milliseconds of results, one after the other, before other fibers get their turn. */
const TURN = 2;

/** How long we watch for the first result of a new server. They learn from one another: each is as busy as the others. */
const ofNew = new Budget(0.1, 0);

/**
 * System calls through a ring in memory that we share with the server. Where both are awake, a call
 * costs no system call of ours: the server sees the request, and we watch for the result, for as long as
 * that takes less time than to be woken. Otherwise one side wakes the other by a byte on the socket.
 */
export class SyscallRing<M extends MemoryTransport = MemoryTransport> extends SyscallConnection<M> {
  readonly #ring: Ring;
  readonly #sendto: number;
  readonly #recvfrom: number;
  readonly #yield: number;
  readonly #getaffinity: number;
  /** Calls that end the task, or replace its program. */
  readonly #last: ReadonlySet<number>;
  /** The address of spare memory in our task, for bytes whose values mean nothing: they only wake. */
  readonly #spare: number;
  /** Calls for which there is no slot yet. */
  readonly #waiting = new Queue<Waiting>();
  /** Numbers of calls: the oldest one in a slot, and the next one to be put in. */
  #oldest = 0;
  #next = 0;
  #inSlots = 0;
  #delivering = false;
  /** Whether the server will wake us, and the event loop goes on for that. */
  #sleeping = false;
  #wokeServer = false;
  #hasAnswered = false;
  /** Whether the server is a child of this process that has answered nothing yet. */
  #isBeginning = false;
  /** The only CPU that we run on; -1: there are several. In a new ring it is 0. */
  #cpu = 0;
  #wakes = 0;
  /** How long we watch for a result: of a server that is awake, and of one that had to be woken. */
  readonly #awake = new Budget(0.03, 0.001);
  readonly #woken = new Budget(0.1, 0);
  /** Starts the server, which has not been started yet. Returns the error if that fails. */
  #startServer: (() => unknown) | undefined;

  private constructor(
    fields: ConnectionFields<M>,
    ring: MappedMemory,
    startServer?: () => unknown,
  ) {
    super(fields);
    this.#startServer = startServer;
    this.#ring = new Ring(ring.buffer);
    this.#spare = ring.address + SPARE_OFFSET;
    const { abi } = fields.local;
    this.#sendto = abi.syscallNumber("sendto") as number;
    this.#recvfrom = abi.syscallNumber("recvfrom") as number;
    this.#yield = abi.syscallNumber("sched_yield") as number;
    this.#getaffinity = abi.syscallNumber("sched_getaffinity") as number;
    this.#last = lastCalls(fields.abi);
  }

  /**
   * The socket of the options is the one by which both sides wake each other.
   *
   * @param ring the memory of the ring, zeros before the first call
   */
  static make<M extends MemoryTransport>(
    options: ConnectionOptions<M>,
    ring: MappedMemory,
  ): Effect.Effect<SyscallRing<M>, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const connection = new SyscallRing(yield* connectionFields(options), ring);
      connection.#learnCpu();
      yield* Scope.addFinalizer(yield* Effect.scope, connection.close());
      yield* options.epoller.watch(options.socket, (hasEnded) => connection.#onBell(hasEnded));
      return connection;
    });
  }

  /**
   * As `make`, as plain code: every call of a server does this. Gives the connection, and a function that ends it.
   * Throws the error if the socket cannot be watched.
   *
   * @param options with an epoller of this process
   * @param server `child` is a child of this process that is about to be made. Otherwise it starts the server, whose first
   *   calls are in the ring by then: so it is woken once for both. It is called when a result is waited for, or else at
   *   the end of this turn. It returns the error if that fails, which ends the connection.
   */
  static start<M extends MemoryTransport>(
    options: ConnectionOptions<M>,
    ring: MappedMemory,
    server: "child" | (() => unknown),
  ): { readonly connection: SyscallRing<M>; readonly end: () => void } {
    const startServer = server === "child" ? undefined : server;
    const connection = new SyscallRing(fieldsOf(options), ring, startServer);
    connection.#isBeginning = server === "child";
    connection.#learnCpu();
    const end = options.epoller.watchNow(options.socket, (hasEnded) =>
      connection.#onBell(hasEnded),
    );
    if (typeof end === "function") {
      queueMicrotask(() => connection.#begin());
      return { connection, end };
    }
    throw end ?? new TypeError("the epoller must be one of this process");
  }

  /** Starts the server, if it was not started yet. */
  #begin(): void {
    const start = this.#startServer;
    if (start === undefined || this.hasEnded) return;
    const error = start();
    if (error !== undefined) this.fail(error);
    this.#startServer = undefined;
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
    // A batch may be longer than the ring. Then its first results may be there already.
    if (this.#inSlots === RING_SLOTS && this.#waiting.length === 0)
      while (this.#inSlots > 0 && !this.pending.first?.isAwaited && this.#ring.isDone(this.#oldest))
        this.#take(this.pending.shift() as PendingCall);
    if (this.#inSlots === RING_SLOTS)
      this.#waiting.push({ number, isPrompt, words: [a, b, c, d, e, f] });
    else this.#put(number, isPrompt, a, b, c, d, e, f);
  }

  #put(
    number: number,
    isPrompt: boolean,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
  ): void {
    this.#ring.put(this.#next, number, isPrompt, a, b, c, d, e, f);
    this.#next = nextCall(this.#next);
    this.#inSlots++;
    if (this.#ring.takeServerSleep()) this.#wakeServer();
  }

  protected get unsent(): number {
    return this.#startServer === undefined ? this.#waiting.length : this.pending.length;
  }

  /** Sends a byte. If the socket is full, the server has bytes to wake it anyway. */
  #wakeServer(): void {
    this.#learnCpu();
    this.local.submit(this.#sendto, this.fd, this.#spare, 1, MSG.NOSIGNAL | MSG.DONTWAIT, 0, 0);
    this.#wokeServer = true;
  }

  /**
   * Tells the server on which CPUs we run: neither side spins if both can run only on the same CPU. That may change
   * at any time, so it is checked now and then; to be late costs only time.
   */
  #learnCpu(): void {
    if (!this.#ring.isOnOtherCpu(this.#cpu) && ++this.#wakes % RECHECK !== 1) return;
    const size = this.local.submit(this.#getaffinity, 0, SPARE_SIZE, this.#spare, 0, 0, 0);
    // EINVAL: the machine has more CPUs than there is room for, so several.
    const cpu = isError(size) ? -1 : this.#ring.onlyCpu(Number(size));
    if (cpu === this.#cpu) return;
    this.#cpu = cpu;
    this.#ring.clientCpu = cpu;
  }

  settle(): void {
    // Callbacks of the end may come here. No result belongs to a call any more.
    if (this.hasEnded) return;
    this.#begin();
    if (this.hasEnded) return;
    if (this.#delivering) {
      // This runs inside the callback of a result. The loop in #deliver looks for further results as well;
      // but if only one call is pending, and no callback waits for it, its result can be taken here.
      if (this.pending.length === 1 && !this.pending.first?.isAwaited && this.#comes())
        this.#take(this.pending.shift() as PendingCall);
    }
    // If we sleep, a slow call is in front of this one: the event loop will tell.
    else if (!this.#sleeping || this.pending.length === 1) this.#deliver();
  }

  /** Takes the results that come soon, and asks the server to wake us for the others. */
  #deliver(): void {
    this.#delivering = true;
    const end = performance.now() + TURN;
    for (let told = 0; this.pending.length > 0 && (this.#comes() || this.#comesBeforeSleep()); ) {
      this.#take(this.pending.shift() as PendingCall);
      if (++told % LOOKS === 0 && performance.now() > end) {
        this.goOnLater();
        break;
      }
    }
    this.#delivering = false;
    if (this.pending.length === 0) this.#getUp();
  }

  protected goOn(): void {
    this.#onBell(false);
  }

  /** Takes the result of the oldest call off the ring. */
  #take(call: PendingCall): void {
    const result = this.#ring.result(this.#oldest);
    this.#oldest = nextCall(this.#oldest);
    this.#inSlots--;
    this.#hasAnswered = true;
    this.#wokeServer = false;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) this.#put(waiting.number, waiting.isPrompt, ...waiting.words);
    call.complete(result);
  }

  /** Whether the oldest call has its result, now or in a moment. */
  #comes(): boolean {
    const ring = this.#ring;
    const call = this.#oldest;
    // An exit or exec that succeeds has no result.
    const isLast = this.#last.has((this.pending.first as PendingCall).number);
    if (isLast || !ring.isOnOtherCpu(this.#cpu)) return ring.isDone(call);
    const learned = this.#wokeServer ? this.#woken : this.#awake;
    const budget = this.#hasAnswered ? learned : ofNew;
    // A child begins on the CPU of its parent unless another one is idle, and only once the parent leaves that.
    if (this.#isBeginning) {
      this.#isBeginning = false;
      this.local.submit(this.#yield, 0, 0, 0, 0, 0, 0);
    }
    for (let end = 0; ; ) {
      for (let look = 0; look < LOOKS; look++)
        if (ring.isDone(call)) {
          budget.paid();
          return true;
        }
      const now = performance.now();
      if (end === 0) end = now + budget.milliseconds;
      if (now >= end) {
        budget.wasted();
        return false;
      }
    }
  }

  /** Goes to sleep. True if the oldest call got its result before the server could see that. */
  #comesBeforeSleep(): boolean {
    if (!this.#sleeping) {
      this.#sleeping = true;
      this.epoller.hold();
    }
    this.#ring.sleep();
    return this.#ring.isDone(this.#oldest);
  }

  #getUp(): void {
    if (!this.#sleeping) return;
    this.#sleeping = false;
    this.#ring.wake();
    this.epoller.letGo();
  }

  /** The server has woken us, or is gone. */
  #onBell(hasEnded: boolean): void {
    if (this.hasEnded) return;
    const end = hasEnded ? "the event loop has ended" : this.#silence();
    // Results from before the end are as good as any other.
    if (!this.#delivering) this.#deliver();
    if (end === undefined) return;
    this.#deliverLast();
    if (end === true) this.failAtEnd();
    else this.fail(end);
  }

  /** Takes the results that are there, however many, and watches for no more. */
  #deliverLast(): void {
    const wasDelivering = this.#delivering;
    this.#delivering = true;
    // A callback may end the connection, and with it the memory of the ring.
    for (let left = this.#inSlots; left > 0 && !this.hasEnded; left--) {
      if (!this.#ring.isDone(this.#oldest)) break;
      this.#take(this.pending.shift() as PendingCall);
    }
    this.#delivering = wasDelivering;
  }

  /** Reads away the bytes of the socket. True at its end; an error if it has failed. */
  #silence(): unknown {
    for (let reads = 0; reads < READS; reads++) {
      const got = this.local.submit(
        this.#recvfrom,
        this.fd,
        this.#spare,
        SPARE_SIZE,
        MSG.DONTWAIT,
        0,
        0,
      );
      if (got === 0 || got === -Errno.ECONNRESET) return true;
      if (got === -Errno.EAGAIN) return undefined;
      if (isError(got)) return SyscallError.from("recvfrom", got, `fd ${this.fd}`);
    }
    // The server sends faster than we read, which no honest one does. Other fibers get their turn first.
    this.goOnLater();
    return undefined;
  }

  protected override hangUp(): void {
    this.#waiting.clear();
    this.#getUp();
    super.hangUp();
  }
}

const lastCallsOf = new Map<Abi, ReadonlySet<number>>();

const lastCalls = (abi: Abi): ReadonlySet<number> => {
  const names = ["exit", "exit_group", "execve", "execveat"] as const;
  const known = lastCallsOf.get(abi) ?? new Set(names.flatMap((it) => abi.syscallNumber(it) ?? []));
  lastCallsOf.set(abi, known);
  return known;
};
