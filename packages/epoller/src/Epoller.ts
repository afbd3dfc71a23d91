import { EPOLL, EPOLL_CTL } from "@rsyscall/abi";
import type { Epoll, FileDescriptor, HandleFailure } from "@rsyscall/handle";
import { acquire, ConnectionEnd, catchErrno, oneLine } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { EventSource } from "./internal/EventSource.ts";
import { type Registration, Registrations } from "./internal/Registrations.ts";
import { rootEvents } from "./internal/rootEvents.ts";
import { subsidiaryEvents } from "./internal/subsidiaryEvents.ts";
import { Readiness, type WaitableEvent } from "./Readiness.ts";
import type { Holdable, Wakeup } from "./Wakeup.ts";

/**
 * One epoll instance: readiness of the descriptors of one task.
 *
 * The descriptors are registered through the task that has them. The events of a subsidiary epoller are
 * taken in this process, when another event loop tells that there are some; so no call waits in the
 * task. Where the epoll instance cannot be handed to this process, the task waits itself, and lets its
 * calls pass: a root epoller.
 */
export class Epoller {
  /** The epoll instance in the task whose descriptors are registered. */
  readonly #registrar: Epoll;
  readonly #registrations: Registrations;
  readonly #events: EventSource;

  private constructor(registrar: Epoll, registrations: Registrations, events: EventSource) {
    this.#registrar = registrar;
    this.#registrations = registrations;
    this.#events = events;
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
    return Epoller.#make(registrar, (to) => subsidiaryEvents(to, waiter, wakeup));
  }

  /**
   * An epoller for a task of another host, or of a container that only a stream leads into: it waits for
   * events itself, as long as they are wanted, and goes on with any other operation as soon as that is
   * submitted. An event takes half a round trip.
   *
   * One for each task: for a second one it fails with EBUSY. It fails with ENOSYS where calls do not go
   * over a socket: such a task is on this host, and its epoll instance can be passed.
   *
   * @param epoll in the task, where all descriptors must be registered
   * @param loop the event loop of this process, such as the epoller that the task's connection hangs in
   */
  static makeRoot(
    epoll: Epoll,
    loop: Holdable,
  ): Effect.Effect<Epoller, HandleFailure, Scope.Scope> {
    return Epoller.#make(epoll, (to) => rootEvents(to, epoll, loop));
  }

  static #make(
    registrar: Epoll,
    makeEvents: (to: Registrations) => Effect.Effect<EventSource, HandleFailure, Scope.Scope>,
  ): Effect.Effect<Epoller, HandleFailure, Scope.Scope> {
    const registrations = new Registrations();
    return Effect.andThen(
      Effect.addFinalizer((exit) => Effect.sync(() => registrations.end(ConnectionEnd.of(exit)))),
      Effect.map(
        makeEvents(registrations),
        (events) => new Epoller(registrar, registrations, events),
      ),
    );
  }

  /** A wakeup for an epoll instance that is itself registered here: its readiness is an event. */
  nested(inner: Epoll): Wakeup {
    return {
      subscribe: (onReadable) => this.watch(inner, onReadable),
      hold: this.#events.hold,
      letGo: this.#events.letGo,
    };
  }

  /** A fiber waits: the event loop must go on. Every call is followed by one of `letGo`. */
  hold(): void {
    this.#events.hold();
  }

  letGo(): void {
    this.#events.letGo();
  }

  /** Keeps the event loop going for as long as the effect waits. */
  holding<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(this.#events.hold),
      () => effect,
      () => Effect.sync(this.#events.letGo),
    );
  }

  /**
   * Calls back whenever a descriptor becomes readable, or what else is asked for, and does not keep
   * the event loop going for it: see `holding`. When the scope closes, or the epoller does, it calls
   * back for the last time, and says so.
   */
  watch(
    fd: FileDescriptor,
    onReady: (hasEnded: boolean) => void,
    events: number = EPOLL.IN,
  ): Effect.Effect<void, HandleFailure, Scope.Scope> {
    const registration = { rose: () => onReady(false), end: () => onReady(true) };
    return Effect.andThen(
      this.#add(fd, events | EPOLL.ET, registration),
      Effect.acquireRelease(Effect.sync(this.#events.want), () => Effect.sync(this.#events.unwant)),
    );
  }

  /** Registers a descriptor, edge-triggered, until the scope closes. */
  register(fd: FileDescriptor): Effect.Effect<Readiness, HandleFailure, Scope.Scope> {
    return Effect.suspend(() => {
      const readiness = new Readiness(this.#events.hold, this.#events.letGo);
      const events = EPOLL.IN | EPOLL.OUT | EPOLL.RDHUP | EPOLL.PRI | EPOLL.ET;
      return Effect.as(this.#add(fd, events, readiness), readiness);
    });
  }

  /**
   * Waits until a descriptor may be read or written without blocking. For those on which we may not
   * set O_NONBLOCK, because other processes share the open file: stdin, a terminal, an inherited pipe.
   */
  waitFor(
    fd: FileDescriptor,
    event: typeof EPOLL.IN | typeof EPOLL.OUT,
  ): Effect.Effect<void, HandleFailure> {
    // A duplicate, because a number can be registered only once, and other fibers may wait for it too; from 3
    // on, because a lower number would be taken for stdio. EPOLL_CTL_ADD tells what is there already, so
    // nothing is missed.
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const readiness = new Readiness(this.#events.hold, this.#events.letGo);
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
      const id = this.#registrations.add(registration);
      return this.#registrar.set(EPOLL_CTL.ADD, fd, { events, data: id }).pipe(
        Effect.tapError(() => Effect.sync(() => this.#registrations.delete(id))),
        Effect.map(() => {
          if (this.#registrations.hasEnded) registration.end(this.#registrations.why);
          return id;
        }),
      );
    });
    return Effect.asVoid(
      acquire(register, (id, exit) =>
        Effect.suspend(() => {
          this.#registrations.delete(id);
          registration.end(ConnectionEnd.of(exit));
          // A descriptor that was closed is gone from the epoll instance already.
          return Effect.ignore(this.#registrar.delete(fd));
        }),
      ),
    );
  }
}

oneLine(Epoller, () => "epoll instance of a task");

export type { WaitableEvent };
