import type { SignalfdSiginfo } from "@rsyscall/abi";
import type { BorrowFailure, IoFailure, MallocFailure, Signalfd } from "@rsyscall/handle";
import { catchErrno, LocalSyscallInterface, oneLine } from "@rsyscall/near";
import { Effect, type Scope, Stream } from "effect";
import type { Epoller } from "./Epoller.ts";
import { Attempts } from "./internal/Attempts.ts";
import type { Kept } from "./internal/Kept.ts";
import type { Readiness } from "./Readiness.ts";

/** The interval at which a task in another process is polled for signals while a fiber waits. */
const POLL_INTERVAL = "10 millis";

type Signals = readonly [SignalfdSiginfo, ...Array<SignalfdSiginfo>];

/**
 * The signals of a task, taken from a signalfd without blocking the task. A wait can be interrupted immediately; it
 * takes no signal then. The signals must be blocked: see `SignalBlock`.
 *
 * A signalfd reports to a process that polls it the signals of that process. If the task is in another process, this
 * process polls its epoll instance, which then reports nothing. So the task is asked a hundred times a second while
 * a fiber waits.
 *
 * In this process, only signals that are sent to the thread that runs JavaScript (tgkill(2)) arrive reliably:
 * Node has other threads, and the kernel gives a signal for the process to a thread that does not block it.
 *
 * @example
 * ```ts
 * import { SIG } from "@rsyscall/abi";
 * import { AsyncSignalfd } from "@rsyscall/epoller";
 * import { SignalBlock, Signalfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const child = yield* (yield* LocalThread).fork();
 *   const usr1 = new Set([SIG.USR1]);
 *   yield* SignalBlock.make(child, usr1);
 *   const signalfd = yield* Signalfd.make(child, usr1);
 *   const signals = yield* AsyncSignalfd.make(yield* child.epoller(), signalfd);
 *   yield* child.process.kill(SIG.USR1);
 *   const [first] = yield* signals.wait();
 *   console.log(first.signo, first.pid === process.pid); // 10 true
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class AsyncSignalfd {
  /** The descriptor, for calls that do not wait. */
  readonly handle: Signalfd;
  readonly #attempts: Attempts;
  /** Signals that were taken for fibers that were interrupted meanwhile. */
  readonly #kept: Kept<Signals>;

  private constructor(handle: Signalfd, readiness: Readiness) {
    this.handle = handle;
    const isOurs = LocalSyscallInterface.of(handle.task.sysif) !== undefined;
    this.#attempts = new Attempts(handle, readiness, (event) =>
      isOurs
        ? readiness.wait(event)
        : Effect.raceFirst(readiness.wait(event), Effect.sleep(POLL_INTERVAL)),
    );
    const kept: Array<Signals> = [];
    this.#kept = {
      get isEmpty() {
        return kept.length === 0;
      },
      take: () => Effect.sync(() => kept.shift() as Signals),
      putBack: (signals) => Effect.sync(() => void kept.unshift(signals)),
    };
  }

  /** Registers a descriptor and makes it non-blocking, for all processes that share the open file. */
  static make(
    epoller: Epoller,
    signalfd: Signalfd,
  ): Effect.Effect<AsyncSignalfd, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.map(
      Effect.andThen(signalfd.setNonblock(), epoller.register(signalfd)),
      (readiness) => new AsyncSignalfd(signalfd, readiness),
    );
  }

  /**
   * Waits until signals are pending, and takes them, at most 16 at a time. A standard signal that was sent several
   * times is taken once.
   */
  wait(): Effect.Effect<Signals, IoFailure> {
    const read = this.handle.readSignals().pipe(
      catchErrno("EAGAIN", () => Effect.succeed([])),
      Effect.map(([first, ...rest]): Signals | "EAGAIN" =>
        first === undefined ? "EAGAIN" : [first, ...rest],
      ),
    );
    return this.#attempts.take(this.#kept, 1, read, undefined);
  }

  /** The signals, one after another. Nothing is read before the stream is pulled. */
  get stream(): Stream.Stream<SignalfdSiginfo, IoFailure> {
    return Stream.fromPull(Effect.succeed(this.wait()));
  }

  /** close(2). Fibers that wait fail with a UseAfterFreeError. */
  close(): Effect.Effect<void, IoFailure> {
    return this.#attempts.close();
  }
}

oneLine(AsyncSignalfd, ({ handle }) => String(handle));
