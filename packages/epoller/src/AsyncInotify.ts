import { EPOLL, IN, type InotifyEvent } from "@rsyscall/abi";
import type { BorrowFailure, Inotify, IoFailure, MallocFailure } from "@rsyscall/handle";
import { acquire, catchErrno, InvalidArgumentError, oneLine, type PathLike } from "@rsyscall/near";
import { Cause, Deferred, Effect, type Scope, Semaphore, Stream } from "effect";
import type { Epoller } from "./Epoller.ts";
import { type Listener, type Watch, WatchTable } from "./internal/WatchTable.ts";
import type { Readiness } from "./Readiness.ts";

/** The number of events that are kept for a stream that is not read: the kernel's own default. */
const MOST_EVENTS = 16384;

/** Options that a mask may have besides events. */
const OPTIONS = IN.ONLYDIR | IN.DONT_FOLLOW | IN.EXCL_UNLINK | IN.ONESHOT;

/** One stream of events. */
class Subscription implements Listener {
  readonly #mask: number;
  readonly #events: Array<InotifyEvent> = [];
  readonly ended = Deferred.makeUnsafe<void>();
  #hasEnded = false;

  constructor(mask: number) {
    this.#mask = mask;
  }

  tell(event: InotifyEvent): void {
    if (this.#hasEnded) return;
    const isWanted = (event.mask & (this.#mask | IN.UNMOUNT | IN.Q_OVERFLOW)) !== 0;
    // Events beyond the limit are lost, as they are in the kernel.
    if (isWanted && this.#events.length < MOST_EVENTS) this.#events.push(event);
    else if (isWanted && this.#events.length === MOST_EVENTS)
      this.#events.push({ wd: -1, mask: IN.Q_OVERFLOW, cookie: 0, name: undefined });
    if (isWanted && this.#mask & IN.ONESHOT && !(event.mask & IN.Q_OVERFLOW)) this.end();
  }

  end(): void {
    this.#hasEnded = true;
    Deferred.doneUnsafe(this.ended, Effect.void);
  }

  /** Whether `take` has events, or the end. */
  get hasNews(): boolean {
    return this.#hasEnded || this.#events.length > 0;
  }

  /** Takes all events; undefined at the end. */
  take(): readonly [InotifyEvent, ...Array<InotifyEvent>] | undefined {
    const [first, ...rest] = this.#events.splice(0);
    return first === undefined ? undefined : [first, ...rest];
  }
}

/**
 * The events of files, inotify(7), without blocking the task: a stream for each watch. Nothing is read before a
 * stream is pulled. A wait can be interrupted immediately, and loses no event then.
 *
 * @example
 * ```ts
 * import { IN } from "@rsyscall/abi";
 * import { AsyncInotify } from "@rsyscall/epoller";
 * import { Inotify } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect, Stream } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const directory = yield* thread.mkdtemp();
 *   const inotify = yield* AsyncInotify.make(yield* thread.epoller(), yield* Inotify.make(thread));
 *   const created = yield* inotify.watch(directory, IN.CREATE);
 *   yield* thread.spit(directory.join("new"), "");
 *   const [event] = yield* Stream.runCollect(Stream.take(created, 1));
 *   console.log(event?.name); // new
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class AsyncInotify {
  /** The descriptor, for calls that do not wait. */
  readonly handle: Inotify;
  readonly #readiness: Readiness;
  readonly #watches = new WatchTable();
  /** Held while a fiber changes watches. */
  readonly #changing = Semaphore.makeUnsafe(1);
  /** Held while a fiber reads events for all streams, or waits for them. */
  readonly #reading = Semaphore.makeUnsafe(1);

  private constructor(handle: Inotify, readiness: Readiness) {
    this.handle = handle;
    this.#readiness = readiness;
  }

  /**
   * Registers a descriptor and makes it non-blocking, for all processes that share the open file. Nothing else may
   * read its events.
   */
  static make(
    epoller: Epoller,
    inotify: Inotify,
  ): Effect.Effect<AsyncInotify, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.map(
      Effect.andThen(inotify.setNonblock(), epoller.register(inotify)),
      (readiness) => new AsyncInotify(inotify, readiness),
    );
  }

  /**
   * inotify_add_watch(2): gives the events of a file or directory from now on, for one reader. The stream ends
   * when the file is gone (IN.IGNORED), and when the scope closes, which removes the watch. An event
   * IN.Q_OVERFLOW, which all streams get, says that events were lost, perhaps also that of the end.
   *
   * A file may be watched more than once. Each stream has the events that it asked for; IN.EXCL_UNLINK
   * applies to all of them. Fails with the kernel's errno for the path (ENOENT, EACCES...), with ENOSPC
   * at the user's limit, and with an InvalidArgumentError for a mask without events, or with IN.MASK_ADD or
   * MASK_CREATE.
   *
   * @param mask events of `IN`, with IN.ONLYDIR, DONT_FOLLOW, EXCL_UNLINK or ONESHOT
   */
  watch(
    path: PathLike,
    mask: number,
  ): Effect.Effect<Stream.Stream<InotifyEvent, IoFailure>, IoFailure, Scope.Scope> {
    if ((mask & IN.ALL_EVENTS) === 0 || (mask & ~(IN.ALL_EVENTS | OPTIONS)) !== 0)
      return Effect.fail(
        new InvalidArgumentError({
          syscall: "inotify_add_watch",
          argument: "mask",
          value: mask,
          expected:
            "events of IN, at least one, with no other option than ONLYDIR, DONT_FOLLOW, EXCL_UNLINK or ONESHOT",
        }),
      );
    return Effect.suspend(() => {
      const subscription = new Subscription(mask);
      return Effect.as(
        acquire(this.#listen(path, mask, subscription), (watch) =>
          this.#leave(watch, subscription),
        ),
        this.#stream(subscription),
      );
    });
  }

  /** As `watch`, while the stream is read. */
  events(path: PathLike, mask: number): Stream.Stream<InotifyEvent, IoFailure> {
    return Stream.unwrap(this.watch(path, mask));
  }

  /** Adds a listener to the watch of a file, which it makes if there is none. */
  #listen(path: PathLike, mask: number, listener: Listener): Effect.Effect<Watch, IoFailure> {
    // One watch may have several listeners, and must not end with the first event of one of them.
    const asked = mask & ~IN.ONESHOT;
    const join = (wd: number): Watch => {
      const watch = this.#watches.current(wd);
      watch?.listeners.add(listener);
      return watch ?? this.#watches.begin(wd, listener);
    };
    const add = Effect.map(this.handle.addWatch(path, asked | IN.MASK_CREATE), (wd) =>
      this.#watches.begin(wd, listener),
    ).pipe(
      // Another listener watches the file already; earlier events are not for this listener.
      catchErrno("EEXIST", () =>
        Effect.andThen(
          this.#readUnlessReading,
          Effect.map(this.handle.addWatch(path, asked | IN.MASK_ADD), join),
        ),
      ),
    );
    return this.#changing.withPermits(1)(
      Effect.suspend(() => {
        this.#watches.adding();
        return Effect.onExit(add, () => Effect.sync(() => this.#watches.added()));
      }),
    );
  }

  /** Removes a listener, and the watch if it was the last one. */
  #leave(watch: Watch, listener: Listener): Effect.Effect<void> {
    return this.#changing.withPermits(1)(
      Effect.suspend(() => {
        listener.end();
        watch.listeners.delete(listener);
        if (watch.listeners.size > 0 || !this.#watches.isLive(watch)) return Effect.void;
        watch.removed = true;
        // The kernel may have removed the watch before, or the task may be gone. Its last events are not kept.
        const remove = Effect.ignore(this.handle.rmWatch(watch.wd));
        return Effect.ignore(Effect.andThen(remove, this.#readUnlessReading));
      }),
    );
  }

  #stream(subscription: Subscription): Stream.Stream<InotifyEvent, IoFailure> {
    const next: Effect.Effect<
      readonly [InotifyEvent, ...Array<InotifyEvent>],
      IoFailure | Cause.Done
    > = Effect.suspend(() => {
      if (!subscription.hasNews)
        return Effect.andThen(
          Effect.raceFirst(this.#readFor(subscription), Deferred.await(subscription.ended)),
          next,
        );
      const events = subscription.take();
      return events === undefined ? Cause.done() : Effect.succeed(events);
    });
    return Stream.fromPull(Effect.succeed(next));
  }

  /** Reads events once, or waits until there may be some, unless another reader has read some for this stream. */
  #readFor(subscription: Subscription): Effect.Effect<void, IoFailure> {
    return this.#reading.withPermits(1)(
      Effect.suspend(() => {
        if (subscription.hasNews) return Effect.void;
        if (!this.#readiness.isReady(EPOLL.IN)) return this.#readiness.wait(EPOLL.IN);
        return Effect.flatMap(this.#read, (hasRead) =>
          !hasRead && this.#readiness.hasEnded
            ? Effect.fail(this.#readiness.endError(this.handle))
            : Effect.void,
        );
      }),
    );
  }

  /** Reads events, unless another reader waits: then there are none. */
  get #readUnlessReading(): Effect.Effect<void, IoFailure> {
    return Effect.asVoid(this.#reading.withPermitsIfAvailable(1)(this.#read));
  }

  /** Reads events and passes them to their listeners; false if there are none. An interruption loses no event. */
  get #read(): Effect.Effect<boolean, IoFailure> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        const edges = this.#readiness.edges(EPOLL.IN);
        return this.handle.readEvents().pipe(
          Effect.map((events) => {
            this.#watches.dispatch(events);
            return true;
          }),
          catchErrno("EAGAIN", () =>
            Effect.sync(() => {
              this.#readiness.fell(EPOLL.IN, edges);
              return false;
            }),
          ),
        );
      }),
    );
  }

  /** close(2). Fibers that wait for events fail with a UseAfterFreeError. */
  close(): Effect.Effect<void, IoFailure> {
    return Effect.ensuring(
      this.handle.close(),
      Effect.sync(() => this.#readiness.end()),
    );
  }
}

oneLine(AsyncInotify, ({ handle }) => String(handle));
