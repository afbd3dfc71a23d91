import { Effect, Exit } from "effect";
import type { ConnectionError, InvalidArgumentError, SyscallFailure } from "../errors.ts";
import type { Address } from "../identifiers.ts";
import { LocalSyscallInterface } from "../LocalSyscallInterface.ts";
import { oneLine } from "../oneLine.ts";
import { PendingCall } from "../PendingCall.ts";
import type { CallOutcome } from "../Syscall.ts";
import type {
  DirectCalls,
  FileTransfers,
  SyscallInterface,
  Word,
  Words,
} from "../SyscallInterface.ts";
import { beforeExit } from "./atExit.ts";
import { type Bytes, beginning, SeenMemory } from "./SeenMemory.ts";
import { TracedCall, type TracedTask } from "./TracedCall.ts";
import { isInSink, type TraceSink, tell } from "./TraceSink.ts";

/** The maximum number of ended calls that are held because their memory may still be read. */
const HELD_AT_MOST = 64;

/** Calls that may end this process, or execute another program in it. */
const mayBeLast: ReadonlySet<string> = new Set([
  "exit",
  "exit_group",
  "execve",
  "execveat",
  "kill",
  "tkill",
  "tgkill",
]);

/** Information about the task of an interface. */
export interface TracedOptions {
  /** The number of the process, for the text of the trace. */
  readonly pid?: number | undefined;
}

/**
 * Decorates an interface: every system call that is made through it is reported to a sink. The calls are submitted
 * in the same way and order, and nothing more is sent: memory is shown as far as this program writes or reads it
 * anyway.
 *
 * Operations on memory, barriers and the waits of an epoller (`EventWaits`) are not reported, because they are not
 * system calls of the program.
 *
 * @example
 * ```ts
 * import { getpid, LocalSyscallInterface, localAbi, traced } from "@rsyscall/near";
 * import { Effect } from "effect";
 *
 * const abi = localAbi();
 * if (abi !== undefined) {
 *   const lines: Array<string> = [];
 *   const sysif = traced(new LocalSyscallInterface(abi), ({ _tag, call }) => {
 *     if (_tag === "Ended") lines.push(String(call));
 *   });
 *   Effect.runSync(getpid(sysif));
 *   console.log(lines); // [ 'getpid() = 1234' ]
 * }
 * ```
 */
export const traced = (
  inner: SyscallInterface,
  sink: TraceSink,
  options: TracedOptions = {},
): SyscallInterface => new TracedSyscallInterface(inner, sink, options);

class TracedSyscallInterface implements SyscallInterface {
  readonly inner: SyscallInterface;
  readonly direct: DirectCalls | undefined;
  readonly #sink: TraceSink;
  readonly #task: TracedTask;
  readonly #seen = new SeenMemory();
  /** Calls without an outcome, oldest first. */
  readonly #inFlight = new Set<TracedCall>();
  /** Calls with an outcome that were not reported yet, oldest first. */
  readonly #held: Array<TracedCall> = [];
  /** The number of reads of a call's memory that are in flight. */
  readonly #reads = new Map<TracedCall, number>();
  #willGiveUp = false;

  constructor(inner: SyscallInterface, sink: TraceSink, { pid }: TracedOptions) {
    const { abi } = inner;
    this.inner = inner;
    this.#sink = sink;
    this.#task = { abi, pid, isLocal: LocalSyscallInterface.of(inner) !== undefined };
    this.direct = inner.direct && this.#directBy(inner.direct);
  }

  get abi() {
    return this.inner.abi;
  }

  get waits() {
    return this.inner.waits;
  }

  get transfers(): FileTransfers | undefined {
    const { transfers } = this.inner;
    return (
      transfers && {
        send: (file, offset, address, length) =>
          Effect.suspend(() => {
            this.#forget(address, length);
            return transfers.send(file, offset, address, length);
          }),
        receive: (address, length, file, offset) =>
          transfers.receive(address, length, file, offset),
      }
    );
  }

  get lastWrite() {
    return this.inner.lastWrite;
  }

  barrier() {
    return this.inner.barrier();
  }

  close() {
    return this.inner.close();
  }

  get activityFd() {
    return this.inner.activityFd;
  }

  syscall(
    number: number,
    ...words: Words
  ): Effect.Effect<Word, ConnectionError | InvalidArgumentError> {
    return Effect.suspend(() => {
      if (isInSink()) return this.inner.syscall(number, ...words);
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
      const call = this.#start(number, a, b, c, d, e, f);
      return Effect.onExitPrimitive(this.inner.syscall(number, ...words), (exit) => {
        if (Exit.isSuccess(exit)) this.#end(call, exit.value);
        else {
          const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail");
          this.#end(call, failure?.error);
        }
        return undefined;
      });
    });
  }

  #directBy(direct: DirectCalls): DirectCalls {
    return {
      submit: (number, a, b, c, d, e, f) => {
        if (isInSink()) return direct.submit(number, a, b, c, d, e, f);
        const call = this.#start(number, a, b, c, d, e, f);
        const submitted = direct.submit(number, a, b, c, d, e, f);
        if (submitted instanceof PendingCall)
          submitted.observe((outcome) => this.#end(call, outcome));
        else this.#end(call, submitted);
        return submitted;
      },
      settle: () => direct.settle(),
    };
  }

  read(
    address: Address,
    length: number,
    into?: Uint8Array,
  ): Effect.Effect<Uint8Array, SyscallFailure> {
    return Effect.suspend(() => {
      const calls = this.#writersOf(address, length);
      for (const call of calls) this.#reads.set(call, (this.#reads.get(call) ?? 0) + 1);
      return Effect.onExitPrimitive(this.inner.read(address, length, into), (exit) => {
        if (Exit.isSuccess(exit)) this.#seen.note(address, exit.value);
        const bytes = Exit.isSuccess(exit) ? beginning(exit.value) : undefined;
        for (const call of calls) this.#wasRead(call, address, bytes);
        if (calls.length > 0) this.#release();
        return undefined;
      });
    });
  }

  write(address: Address, bytes: Uint8Array): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => {
      this.#forget(address, bytes.length);
      this.#seen.note(address, bytes);
      return this.inner.write(address, bytes);
    });
  }

  #start(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): TracedCall {
    const call = new TracedCall(
      this.#task,
      number,
      [a, b, c, d, e, f],
      this.#inFlight.size,
      (address) => this.#seen.at(address),
    );
    // The kernel overwrites this memory with bytes that this program has not read.
    for (const { address, length } of call.outputs) this.#forget(address, length);
    // This process may end now, so the held calls must be reported first.
    if (this.#task.isLocal && mayBeLast.has(call.name)) this.#giveUp();
    this.#inFlight.add(call);
    tell(this.#sink, { _tag: "Started", call });
    return call;
  }

  /** @param outcome undefined if it is unknown, because the fiber ended during the call */
  #end(call: TracedCall, outcome: CallOutcome | undefined): void {
    this.#inFlight.delete(call);
    call.end(outcome ?? 0);
    this.#held.push(call);
    if (this.#held.length > HELD_AT_MOST) this.#tell(this.#held.shift() as TracedCall);
    this.#release();
  }

  /** Returns the calls, in flight or not reported yet, that have last written the parts of a range. */
  #writersOf(address: number, length: number): ReadonlyArray<TracedCall> {
    const writers: Array<TracedCall> = [];
    for (const call of [...this.#held, ...this.#inFlight].reverse())
      if (
        call.writesTo({ address, length }) &&
        !call.outputs.some((output) => writers.some((later) => later.writesTo(output)))
      )
        writers.push(call);
    return writers;
  }

  /** Forgets a range that is about to be overwritten: its old contents can no longer be read. */
  #forget(address: number, length: number): void {
    this.#seen.forget(address, length);
    for (const call of this.#held)
      if (!this.#reads.has(call) && call.writesTo({ address, length })) call.settle();
  }

  #wasRead(call: TracedCall, address: number, bytes: Bytes | undefined): void {
    if (bytes !== undefined) call.read(address, bytes);
    const left = (this.#reads.get(call) ?? 1) - 1;
    if (left === 0) this.#reads.delete(call);
    else this.#reads.set(call, left);
  }

  /** Reports the calls that are complete, in order. */
  #release(): void {
    for (let call = this.#held[0]; call !== undefined; call = this.#held[0]) {
      if (call.lacksBytes || this.#reads.has(call)) break;
      this.#held.shift();
      this.#tell(call);
    }
    if (this.#held.length === 0 || this.#willGiveUp) return;
    this.#willGiveUp = true;
    const forget = beforeExit(() => {
      this.#reads.clear();
      this.#giveUp();
    });
    // A reader of the memory submits its read in this turn.
    setImmediate(() => {
      forget();
      this.#willGiveUp = false;
      this.#giveUp();
    }).unref();
  }

  /** Reports the calls whose memory is not being read. */
  #giveUp(): void {
    for (const call of this.#held) if (!this.#reads.has(call)) call.settle();
    this.#release();
  }

  #tell(call: TracedCall): void {
    call.settle();
    tell(this.#sink, { _tag: "Ended", call });
  }
}

oneLine(TracedSyscallInterface, ({ inner }) => `traced ${inner}`);
