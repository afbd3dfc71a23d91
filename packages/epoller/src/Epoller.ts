import { Bytes, EPOLL, EPOLL_CTL, type EpollEvent, listOf } from "@rsyscall/abi";
import type { Epoll, FileDescriptor, HandleFailure } from "@rsyscall/handle";
import { acquire, catchErrno, isError, LocalSyscallInterface, type Word } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { Readiness, type WaitableEvent } from "./Readiness.ts";

/** How many events one epoll_wait takes. */
const BATCH = 64;

/** Tells when an epoll instance may have events: the event loop that it hangs in. */
export interface Wakeup {
  /** Calls back whenever the epoll instance becomes readable, until the scope closes. */
  readonly subscribe: (onReadable: () => void) => Effect.Effect<void, HandleFailure, Scope.Scope>;
  /** Somebody waits: the loop must go on. Every call is followed by one of `letGo`. */
  readonly hold: () => void;
  readonly letGo: () => void;
}

/** Somebody who is told of events of a descriptor, and when there will be no more. */
interface Registration {
  readonly rose: (events: number) => void;
  readonly end: () => void;
}

/**
 * One epoll instance: readiness of the descriptors of one task.
 *
 * The descriptors are registered through the task that has them; events may be taken through another
 * task that has the same epoll instance, so that no call waits in the first. It never blocks in
 * epoll_wait: another event loop tells when to look (a subsidiary epoller).
 */
export class Epoller {
  /** The epoll instance in the task whose descriptors are registered. */
  readonly #registrar: Epoll;
  readonly #take: TakeEvents;
  readonly #wakeup: Wakeup;
  /** Ids are never used twice, so an event for a descriptor that was deleted finds nobody. */
  readonly #registrations = new Map<number, Registration>();
  #lastId = 0;

  private constructor(registrar: Epoll, wakeup: Wakeup, take: TakeEvents) {
    this.#registrar = registrar;
    this.#wakeup = wakeup;
    this.#take = take;
  }

  /**
   * An epoller whose events are taken through `waiter`, in this process, whenever `wakeup` says so.
   * `registrar` is a handle of the same epoll instance in the task whose descriptors are to be registered.
   */
  static makeSubsidiary(
    registrar: Epoll,
    waiter: Epoll,
    wakeup: Wakeup,
  ): Effect.Effect<Epoller, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const epoller = new Epoller(registrar, wakeup, yield* takeEvents(waiter));
      yield* Effect.addFinalizer(() => Effect.sync(() => epoller.#endAll()));
      yield* wakeup.subscribe(() => epoller.#drain());
      return epoller;
    });
  }

  /** A wakeup for an epoll instance that is itself registered here: its readiness is an event. */
  nested(inner: Epoll): Wakeup {
    return {
      subscribe: (onReadable) => this.watch(inner, onReadable),
      hold: this.#wakeup.hold,
      letGo: this.#wakeup.letGo,
    };
  }

  /** Somebody waits: the event loop must go on. Every call is followed by one of `letGo`. */
  hold(): void {
    this.#wakeup.hold();
  }

  letGo(): void {
    this.#wakeup.letGo();
  }

  /** Keeps the event loop going for as long as the effect waits. */
  holding<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(this.#wakeup.hold),
      () => effect,
      () => Effect.sync(this.#wakeup.letGo),
    );
  }

  /**
   * Calls back whenever a descriptor becomes readable, or what else is asked for, and does not keep the event loop going for it:
   * see `holding`. When the scope closes, or the epoller does, it calls back for the last time, and
   * says so.
   */
  watch(
    fd: FileDescriptor,
    onReady: (hasEnded: boolean) => void,
    events: number = EPOLL.IN,
  ): Effect.Effect<void, HandleFailure, Scope.Scope> {
    const registration = { rose: () => onReady(false), end: () => onReady(true) };
    return this.#add(fd, events | EPOLL.ET, registration);
  }

  /** Registers a descriptor, edge-triggered, until the scope closes. */
  register(fd: FileDescriptor): Effect.Effect<Readiness, HandleFailure, Scope.Scope> {
    return Effect.suspend(() => {
      const readiness = new Readiness(this.#wakeup.hold, this.#wakeup.letGo);
      const events = EPOLL.IN | EPOLL.OUT | EPOLL.RDHUP | EPOLL.PRI | EPOLL.ET;
      return Effect.as(this.#add(fd, events, readiness), readiness);
    });
  }

  /**
   * Waits until a descriptor may be read or written without blocking. For those on which we may not
   * set O_NONBLOCK, because strangers share the open file: stdin, a terminal, an inherited pipe.
   */
  waitFor(
    fd: FileDescriptor,
    event: typeof EPOLL.IN | typeof EPOLL.OUT,
  ): Effect.Effect<void, HandleFailure> {
    // A duplicate, because a number can be registered only once, and others may wait for it too; not
    // one that passes for stdio. EPOLL_CTL_ADD tells what is there already, so nothing is missed.
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const readiness = new Readiness(this.#wakeup.hold, this.#wakeup.letGo);
        readiness.fell(event, 0);
        yield* this.#add(yield* fd.dup(3), event | EPOLL.ONESHOT, readiness);
        yield* readiness.wait(event);
      }),
      // Files that epoll does not take, such as regular ones, are always ready.
    ).pipe(catchErrno("EPERM", () => Effect.void));
  }

  #add(
    fd: FileDescriptor,
    events: number,
    registration: Registration,
  ): Effect.Effect<void, HandleFailure, Scope.Scope> {
    const register = Effect.suspend(() => {
      const id = ++this.#lastId;
      this.#registrations.set(id, registration);
      return this.#registrar.set(EPOLL_CTL.ADD, fd, { events, data: id }).pipe(
        Effect.tapError(() => Effect.sync(() => this.#registrations.delete(id))),
        Effect.as(id),
      );
    });
    return Effect.asVoid(
      acquire(register, (id) =>
        Effect.suspend(() => {
          this.#registrations.delete(id);
          registration.end();
          // A descriptor that was closed is gone from the epoll instance already.
          return Effect.ignore(this.#registrar.delete(fd));
        }),
      ),
    );
  }

  /** Takes all events there are, and tells those whom they are for. */
  #drain(): void {
    let events: ReadonlyArray<EpollEvent> | undefined;
    do {
      events = this.#take();
      for (const event of events ?? []) this.#registrations.get(event.data)?.rose(event.events);
    } while (events?.length === BATCH);
    // What is waited for will never be told: it must not wait for ever.
    if (events === undefined) this.#endAll();
  }

  #endAll(): void {
    for (const registration of this.#registrations.values()) registration.end();
  }
}

/** Up to BATCH events, without waiting; undefined when there will be none any more. */
type TakeEvents = () => ReadonlyArray<EpollEvent> | undefined;

/** epoll_wait(2) of an instance that this process has, here and now: every wake-up of ours goes through it. */
const takeEvents = (waiter: Epoll): Effect.Effect<TakeEvents, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { task } = waiter;
    const { sysif } = task;
    if (!(sysif instanceof LocalSyscallInterface))
      return yield* Effect.die(new TypeError("events are taken in this process"));
    const { epollEvent } = sysif.abi;
    const { size } = epollEvent;
    const list = listOf(epollEvent);
    const buffer = yield* task.malloc(Bytes, size * BATCH);
    const address = yield* buffer.address;
    const number = sysif.abi.syscallNumber("epoll_pwait") as number;
    const fd = yield* waiter.borrow(task);
    return () => {
      if (!waiter.isValid) return undefined;
      const count: Word = sysif.submit(number, fd, address, BATCH, 0, 0, 8);
      if (count === 0) return [];
      return isError(count) ? undefined : list.decode(sysif.readNow(address, size * Number(count)));
    };
  });

export type { WaitableEvent };
