import type { SignalfdSiginfo } from "@rsyscall/abi";
import type { BorrowFailure, IoFailure, MallocFailure, Signalfd } from "@rsyscall/handle";
import { catchErrno, LocalSyscallInterface, oneLine } from "@rsyscall/near";
import { Effect, type Scope, Stream } from "effect";
import type { Epoller } from "./Epoller.ts";
import { Attempts } from "./internal/Attempts.ts";
import type { Kept } from "./internal/Kept.ts";
import type { Readiness } from "./Readiness.ts";

/** How often a task of another process is asked for signals, while a fiber waits for them. */
const POLL_INTERVAL = "10 millis";

type Signals = readonly [SignalfdSiginfo, ...Array<SignalfdSiginfo>];

/**
 * The signals of a task, taken from a signalfd without blocking the task. All waits can be interrupted at
 * once, and take no signal then. They have to be blocked: see `SignalBlock`.
 *
 * A signalfd tells a process that polls it of that process's own signals. Where the task is another process, its
 * epoll instance is polled by this one, and tells nothing: so such a task is asked a hundred times a second,
 * while a fiber waits.
 *
 * In this process, only signals for the thread that runs JavaScript are there for certain (tgkill(2)):
 * Node has others, and those for the process go to one that does not block them.
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
  readonly handle: Signalfd;
  readonly #attempts: Attempts;
  /** Taken for fibers that were interrupted meanwhile. */
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

  /** Registers a descriptor and makes it non-blocking, which holds for all who share the open file. */
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
   * Waits until signals are pending, and takes them, at most 16 at a time. Standard signals of one number
   * are one, however often they were sent.
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

  /** Every signal, one after another. Nothing is read before it is asked for. */
  get stream(): Stream.Stream<SignalfdSiginfo, IoFailure> {
    return Stream.fromPull(Effect.succeed(this.wait()));
  }

  /** close(2). Fibers that wait fail with a UseAfterFreeError. */
  close(): Effect.Effect<void, IoFailure> {
    return this.#attempts.close();
  }
}

oneLine(AsyncSignalfd, ({ handle }) => String(handle));
