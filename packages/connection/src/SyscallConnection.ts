import { type Abi, SHUT } from "@rsyscall/abi";
import type { Epoller } from "@rsyscall/epoller";
import type { BorrowFailure, Socket } from "@rsyscall/handle";
import type { MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  ConnectionEnd,
  type ConnectionError,
  type DirectCalls,
  definitions,
  type Fd,
  type FileTransfers,
  type InvalidArgumentError,
  isError,
  LocalSyscallInterface,
  type Outcome,
  oneLine,
  PendingCall,
  type PendingWrite,
  perform,
  performWords,
  SyscallError,
  SyscallHangup,
  type SyscallInterface,
  SyscallSendError,
  undecorated,
  type Word,
  type Words,
  withoutStack,
} from "@rsyscall/near";
import { OP_CLONE, OP_COPY, OP_EPOLL_WAIT, OP_RECV_ALL, OP_SEND_ALL } from "@rsyscall/wire";
import { Effect, Exit, Scope } from "effect";
import { Queue } from "./internal/Queue.ts";

/**
 * What carries bytes between a socket of this process and the task. It and the connection tell each other at once what
 * the event loop would tell them in its next turn.
 */
export interface Relay {
  /** The connection has written bytes. */
  readonly sent: () => void;
  /** Has the relay call back soon after it has written bytes for the connection. */
  readonly onArrival: (callback: () => void) => void;
}

/** What a connection is made of. */
export interface ConnectionOptions<M extends MemoryTransport = MemoryTransport> {
  /** The machine of the task, whose numbers and layouts its calls have. */
  readonly abi: Abi;
  /** Our end, in this process. */
  readonly socket: Socket;
  /** Of this process. */
  readonly epoller: Epoller;
  /** The server's end, as it numbers it. */
  readonly serverFd: Fd;
  /** Makes what reads and writes the memory of the task. It may use the connection. */
  readonly memory: (connection: SyscallConnection) => M;
  /**
   * Whether the socket ends because the way to the server was cut. Where there is nothing between the two ends of
   * the socket, only the server ends it.
   */
  readonly isCut?: (() => boolean) | undefined;
  /** What carries the bytes, if that is in this process. */
  readonly relay?: Relay | undefined;
}

/** Options, and what follows from them. */
export interface ConnectionFields<M extends MemoryTransport> extends ConnectionOptions<M> {
  readonly fd: Fd;
  readonly local: LocalSyscallInterface;
}

export const connectionFields = <M extends MemoryTransport>(
  options: ConnectionOptions<M>,
): Effect.Effect<ConnectionFields<M>, SyscallSendError | BorrowFailure> =>
  Effect.map(options.socket.borrow(options.socket.task), () => fieldsOf(options));

/** As `connectionFields`, for a socket that is valid. */
export const fieldsOf = <M extends MemoryTransport>(
  options: ConnectionOptions<M>,
): ConnectionFields<M> => {
  const { near, task } = options.socket;
  const local = LocalSyscallInterface.of(task.sysif);
  if (local === undefined) throw new TypeError("a connection's own end must be in this process");
  const { abi, socket, epoller, serverFd, memory, isCut, relay } = options;
  return { abi, socket, epoller, serverFd, memory, isCut, relay, fd: near, local };
};

/**
 * System calls in a task that runs the server loop, at the other end of a socket: what the ring and the
 * socket have in common. Any number of calls is in flight, and results come in the order of the calls.
 */
export abstract class SyscallConnection<M extends MemoryTransport = MemoryTransport>
  implements SyscallInterface, DirectCalls
{
  readonly abi: Abi;
  readonly activityFd: Fd;
  readonly direct: DirectCalls = this;
  /** Its text says which process the task is, and how it has ended if that is known: for errors. */
  subject: { readonly toString: () => string } = "the task";
  /** Our end, in this process. */
  readonly #handle: Socket;
  /** The number of our end of the socket. */
  protected readonly fd: Fd;
  /** System calls of this process, by which requests are sent. */
  protected readonly local: LocalSyscallInterface;
  /** The epoller of this process, which reports the answers. */
  protected readonly epoller: Epoller;
  /** Calls without a result, oldest first. */
  protected readonly pending = new Queue<PendingCall>();
  readonly #prompt: ReadonlySet<number>;
  /** How bytes get into the memory of the task. */
  readonly memory: M;
  readonly #isCut: () => boolean;
  #lastWrite: PendingWrite | undefined;
  #willGoOn = false;
  /** Why the connection has ended. */
  #end: { readonly cause: unknown } | undefined;
  #onEnd: Array<() => void> = [];

  protected constructor({
    abi,
    socket,
    fd,
    local,
    epoller,
    serverFd,
    memory,
    isCut,
  }: ConnectionFields<M>) {
    this.abi = abi;
    this.activityFd = serverFd;
    this.#handle = socket;
    this.fd = fd;
    this.local = local;
    this.epoller = epoller;
    this.#prompt = promptNumbers(abi);
    this.memory = memory(this);
    this.#isCut = isCut ?? NEVER;
  }

  /** The connection below an interface that may be decorated; undefined if there is none. */
  static of(sysif: SyscallInterface): SyscallConnection | undefined {
    const bare = undecorated(sysif);
    return bare instanceof SyscallConnection ? bare : undefined;
  }

  /** Whether calls can no longer be made. */
  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Whether there are calls without a result. */
  get hasPending(): boolean {
    return this.pending.length > 0;
  }

  /** The oldest call without a result, if it is not a wait for events. */
  get oldest(): PendingCall | undefined {
    const { first } = this.pending;
    return first?.number === OP_EPOLL_WAIT ? undefined : first;
  }

  /** The oldest call without a result, if it never blocks: a process that runs answers it soon, or ends. */
  get overdue(): PendingCall | undefined {
    const { first } = this.pending;
    const isExit = first?.number === this.abi.syscallNumber("exit_group");
    return first !== undefined && (isExit || this.#prompt.has(first.number)) ? first : undefined;
  }

  /** Calls back once, when the connection ends, from whichever side. */
  onEnd(callback: () => void): void {
    if (this.#end !== undefined) callback();
    else this.#onEnd = this.#onEnd.concat(callback);
  }

  /** Closes a scope as soon as the connection ends: what it gives back has gone with the task. */
  closeAtEnd(scope: Scope.Closeable): void {
    // Not by a fiber of the scope, which would wait for itself.
    this.onEnd(() => {
      const end = Exit.fail(new ConnectionEnd((operation) => this.sendError(operation)));
      const rest = Scope.closeUnsafe(scope, end);
      if (rest !== undefined && !Exit.isExit(rest)) Effect.runFork(rest);
    });
  }

  /** Completes when the connection ends. */
  ended(): Effect.Effect<void> {
    return this.epoller.holding(
      Effect.callback<void>((resume) => {
        const onEnd = () => resume(Effect.void);
        this.onEnd(onEnd);
        return Effect.sync(() => {
          this.#onEnd = this.#onEnd.filter((callback) => callback !== onEnd);
        });
      }),
    );
  }

  syscall(
    number: number,
    ...words: Words
  ): Effect.Effect<Word, ConnectionError | InvalidArgumentError> {
    return perform(this, this.abi, number, words);
  }

  submit(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): PendingCall {
    return this.enqueue(new PendingCall(number), a, b, c, d, e, f);
  }

  /** Submits a call of any kind. */
  protected enqueue<C extends PendingCall>(
    call: C,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
  ): C {
    const { number } = call;
    if (this.#end !== undefined) call.complete(this.sendError(this.#name(number)));
    else {
      this.pending.push(call);
      this.send(number, this.#prompt.has(number), a, b, c, d, e, f);
    }
    return call;
  }

  /** Sends the request of the last pending call. */
  protected abstract send(
    number: number,
    isPrompt: boolean,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
  ): void;

  abstract settle(): void;

  /** Looks again for results. */
  protected abstract goOn(): void;

  /** Calls `goOn` in another turn of the event loop: once, however often this is called before. */
  protected goOnLater(): void {
    if (this.#willGoOn) return;
    this.#willGoOn = true;
    setImmediate(() => {
      this.#willGoOn = false;
      this.goOn();
    });
  }

  /**
   * Submits an operation that writes to the memory of the task, and does not wait for it.
   *
   * @param address where it writes, for messages
   */
  submitWrite(
    address: Address,
    number: number,
    a: Word,
    b: Word,
    c: Word,
    onDone?: (outcome: Outcome) => void,
  ): PendingCall {
    const behind: Array<() => void> = [];
    const write = { whenDone: (callback: () => void) => void behind.push(callback) };
    this.#lastWrite = write;
    const call = this.submit(number, a, b, c, 0, 0, 0);
    call.whenDone((outcome) => {
      // Later calls rely on the bytes: if the write failed, they must not be made.
      if (typeof outcome !== "object" && isError(outcome))
        this.fail(SyscallError.from("memory write", outcome, `address ${address}`));
      if (this.#lastWrite === write) this.#lastWrite = undefined;
      onDone?.(outcome);
      for (const callback of behind) callback();
    });
    return call;
  }

  get lastWrite(): PendingWrite | undefined {
    return this.#lastWrite;
  }

  get transfers(): FileTransfers | undefined {
    return this.memory.transfers;
  }

  read(address: Address, length: number, into?: Uint8Array) {
    return this.memory.read(address, length, into);
  }

  write(address: Address, bytes: Uint8Array) {
    return this.memory.write(address, bytes);
  }

  /** Results come in order, so all calls before are done when a call without an effect is done. */
  barrier(): Effect.Effect<void, ConnectionError> {
    return Effect.asVoid(
      performWords(this, this.abi.syscallNumber("getpid") as number, [0, 0, 0, 0, 0, 0]),
    );
  }

  close(): Effect.Effect<void> {
    return Effect.sync(() => this.fail(undefined));
  }

  /** How many requests of pending calls have not been sent: always those of the last calls. */
  protected abstract get unsent(): number;

  /**
   * The server has closed the socket, or has ended. ECONNRESET says the same: the server had not read all requests.
   */
  failAtEnd(): void {
    const isCut = this.#isCut();
    this.#fail(isCut ? new Error("the way to the task was cut") : undefined, !isCut);
  }

  /**
   * Another socket of the server has ended, or so it seems. This one then ends in a moment, and its last results come
   * before that: the kernel closes descriptors one after the other, and a stream between us may change the order of
   * their ends. A server that lives on is hung up on.
   */
  failSoon(cause: unknown): void {
    const timer = setTimeout(() => this.fail(cause), END_LIMIT);
    this.onEnd(() => clearTimeout(timer));
  }

  /** Completes when the connection has ended. For a server that has ended by other evidence: see `failSoon`. */
  closeSoon(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      this.failSoon(undefined);
      this.onEnd(() => resume(Effect.void));
    });
  }

  /** Ends the connection: nothing more is sent, and calls that wait fail. */
  fail(cause: unknown): void {
    this.#fail(cause, false);
  }

  #fail(cause: unknown, byTask: boolean): void {
    if (this.#end !== undefined) return;
    this.#end = { cause };
    let sent = this.pending.length - this.unsent;
    this.hangUp();
    for (let call = this.pending.shift(); call; call = this.pending.shift())
      call.complete(
        sent-- > 0
          ? this.#hangup(call.number, cause, byTask)
          : this.sendError(this.#name(call.number)),
      );
    for (const onEnd of this.#onEnd.splice(0)) onEnd();
  }

  #hangup(number: number, cause: unknown, byTask: boolean): SyscallHangup {
    const make = () =>
      new SyscallHangup({
        syscall: this.#name(number),
        cause,
        byTask,
        describe: this.#describe(),
      });
    // Every process ends so. That is no failure, and was caused in that process.
    return byTask && number === this.abi.syscallNumber("exit_group") ? withoutStack(make) : make();
  }

  /** Tells the server of the end. Closing the socket is left to the scope that made it. */
  protected hangUp(): void {
    if (!this.#handle.isValid) return;
    const number = this.local.abi.syscallNumber("shutdown") as number;
    this.local.submit(number, this.fd, SHUT.RDWR, 0, 0, 0, 0);
  }

  /** The error of a request after the end. */
  sendError(syscall: string): SyscallSendError {
    const cause = this.#end?.cause;
    return new SyscallSendError({ syscall, cause, describe: this.#describe() });
  }

  /** For errors: what is known when the message is read, not when the call failed. */
  #describe(): () => string {
    return () => this.subject.toString();
  }

  #name(number: number): string {
    return operationNames.get(number) ?? this.abi.syscallName(number);
  }
}

oneLine(SyscallConnection, ({ activityFd }) => `to fd ${activityFd} of a task`);
const NEVER = (): boolean => false;

/** Milliseconds between the ends of two sockets of one process, at most. */
const END_LIMIT = 1000;

const promptNumbersOf = new Map<Abi, ReadonlySet<number>>();

/** Numbers of the requests that never block. */
const promptNumbers = (abi: Abi): ReadonlySet<number> => {
  let numbers = promptNumbersOf.get(abi);
  if (numbers === undefined) {
    const calls = [...definitions.values()]
      .filter(({ isPrompt }) => isPrompt)
      .flatMap((definition) => definition.numberOn(abi) ?? []);
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
  [OP_EPOLL_WAIT, "epoll_wait"],
]);
