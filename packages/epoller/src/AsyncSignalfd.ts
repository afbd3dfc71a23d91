import { EPOLL, type SignalfdSiginfo } from "@rsyscall/abi";
import type { HandleFailure, Signalfd } from "@rsyscall/handle";
import { catchErrno, LocalSyscallInterface, oneLine } from "@rsyscall/near";
import { Effect, Exit, type Scope, Stream } from "effect";
import type { Epoller } from "./Epoller.ts";
import { type Restore, Turns } from "./internal/Turns.ts";
import type { Readiness } from "./Readiness.ts";

/** How often a task of another process is asked for signals, while somebody waits for them. */
const POLL_INTERVAL = "10 millis";

type Signals = readonly [SignalfdSiginfo, ...Array<SignalfdSiginfo>];

/**
 * The signals of a task, taken from a signalfd without blocking the task. All waits can be interrupted at
 * once, and take no signal then. They have to be blocked: see `SignalBlock`.
 *
 * A signalfd tells of the signals of whoever polls it. For a task of another process that is not us, even
 * if its epoll instance is here: so such a task is asked a hundred times a second, for as long as somebody
 * waits.
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
  readonly #readiness: Readiness;
  readonly #mayBeReady: Effect.Effect<void>;
  /** Taken for fibers that were interrupted meanwhile. */
  readonly #kept: Array<SignalfdSiginfo> = [];
  /** Of those who wait. */
  readonly #turns = new Turns();

  private constructor(handle: Signalfd, readiness: Readiness) {
    this.handle = handle;
    this.#readiness = readiness;
    const wait = readiness.wait(EPOLL.IN);
    this.#mayBeReady =
      handle.task.sysif instanceof LocalSyscallInterface
        ? wait
        : Effect.raceFirst(wait, Effect.sleep(POLL_INTERVAL));
  }

  /** Registers a descriptor and makes it non-blocking, which holds for all who share the open file. */
  static make(
    epoller: Epoller,
    signalfd: Signalfd,
  ): Effect.Effect<AsyncSignalfd, HandleFailure, Scope.Scope> {
    return Effect.map(
      Effect.andThen(signalfd.setNonblock(), epoller.register(signalfd)),
      (readiness) => new AsyncSignalfd(signalfd, readiness),
    );
  }

  /**
   * Waits until signals are pending, and takes them, at most 16 at a time. Standard signals of one number
   * are one, however often they were sent.
   */
  wait(): Effect.Effect<Signals, HandleFailure> {
    return Effect.suspend(() => {
      let taken: Signals | undefined;
      const take = (restore: Restore) =>
        Effect.map(this.#next(restore), (signals) => {
          taken = signals;
          return signals;
        });
      // A fiber that is interrupted while the read is on its way never sees what comes of it.
      return this.#turns.inTurn(take, (exit) => {
        if (taken !== undefined && Exit.isFailure(exit)) this.#kept.push(...taken);
        return undefined;
      });
    });
  }

  /** What is kept, or what there is next. Only the waits are interruptible. */
  #next(restore: Restore): Effect.Effect<Signals, HandleFailure> {
    return Effect.suspend(() => {
      const [first, ...rest] = this.#kept.splice(0);
      if (first !== undefined) return Effect.succeed<Signals>([first, ...rest]);
      const edges = this.#readiness.edges(EPOLL.IN);
      return this.handle.readSignals().pipe(
        catchErrno("EAGAIN", () => Effect.succeed([])),
        Effect.flatMap(([first, ...rest]): Effect.Effect<Signals, HandleFailure> => {
          if (first !== undefined) return Effect.succeed([first, ...rest]);
          if (this.#readiness.hasEnded) return Effect.fail(this.#readiness.endError(this.handle));
          this.#readiness.fell(EPOLL.IN, edges);
          return Effect.andThen(restore(this.#mayBeReady), this.#next(restore));
        }),
      );
    });
  }

  /** Every signal, one after another. Nothing is read before it is asked for. */
  get stream(): Stream.Stream<SignalfdSiginfo, HandleFailure> {
    return Stream.fromPull(Effect.succeed(this.wait()));
  }

  /** close(2). Whoever waits fails with a UseAfterFreeError. */
  close(): Effect.Effect<void, HandleFailure> {
    return Effect.ensuring(
      this.handle.close(),
      Effect.sync(() => this.#readiness.end()),
    );
  }
}

oneLine(AsyncSignalfd, ({ handle }) => String(handle));
