import { EPOLL, EPOLL_CTL } from "@rsyscall/abi";
import type {
  BorrowFailure,
  Epoll,
  FileDescriptor,
  InvalidHandleError,
  IoFailure,
  MallocFailure,
} from "@rsyscall/handle";
import {
  acquire,
  ConnectionEnd,
  catchErrno,
  type InvalidStateError,
  oneLine,
  type SyscallError,
} from "@rsyscall/near";
import { Effect, Scope } from "effect";
import type { EventSource } from "./internal/EventSource.ts";
import { LocalControl } from "./internal/LocalControl.ts";
import { type Registration, Registrations } from "./internal/Registrations.ts";
import { rootEvents } from "./internal/rootEvents.ts";
import { subsidiaryEvents } from "./internal/subsidiaryEvents.ts";
import { Turns } from "./internal/Turns.ts";
import { Readiness, type WaitableEvent } from "./Readiness.ts";
import type { Holdable, Wakeup } from "./Wakeup.ts";

/**
 * One epoll instance: readiness of the descriptors of one task.
 *
 * The descriptors are registered through the task that has them. This process takes the events of a
 * subsidiary epoller when another event loop reports that there are some, so no call waits in the task. If the
 * epoll instance cannot be passed to this process, the task itself waits, without delaying its other calls: a root
 * epoller.
 */
export class Epoller {
  /** The epoll instance in the task whose descriptors are registered. */
  readonly #registrar: Epoll;
  readonly #registrations: Registrations;
  readonly #events: EventSource;
  /** Undefined if the task is another process. */
  readonly #control: LocalControl | undefined;

  private constructor(
    registrar: Epoll,
    control: LocalControl | undefined,
    registrations: Registrations,
    events: EventSource,
  ) {
    this.#registrar = registrar;
    this.#control = control;
    this.#registrations = registrations;
    this.#events = events;
  }

  /**
   * Makes an epoller whose events are taken through `waiter`, in this process, whenever `wakeup` calls back.
   * `registrar` is a handle of the same epoll instance in the task whose descriptors are to be registered.
   */
  static makeSubsidiary(
    registrar: Epoll,
    waiter: Epoll,
    wakeup: Wakeup,
  ): Effect.Effect<Epoller, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.flatMap(LocalControl.make(registrar), (control) =>
      Epoller.#make(registrar, control, (to) => subsidiaryEvents(to, waiter, wakeup)),
    );
  }

  /**
   * Makes an epoller for a task on another host, or in a container that is reached only by a stream. The task itself
   * waits for events while they are wanted, and interrupts the wait for any other operation that is submitted. An
   * event takes half a round trip.
   *
   * Fails with InvalidStateError if the task has one already, and if its calls do not go over a socket: such a task is
   * on this host, and its epoll instance can be passed.
   *
   * @param epoll an instance in the task, in which all descriptors are registered
   * @param loop the event loop of this process, such as the epoller in which the task's connection is registered
   */
  static makeRoot(
    epoll: Epoll,
    loop: Holdable,
  ): Effect.Effect<Epoller, InvalidStateError, Scope.Scope> {
    return Epoller.#make(epoll, undefined, (to) => rootEvents(to, epoll, loop));
  }

  static #make<E>(
    registrar: Epoll,
    control: LocalControl | undefined,
    makeEvents: (to: Registrations) => Effect.Effect<EventSource, E, Scope.Scope>,
  ): Effect.Effect<Epoller, E, Scope.Scope> {
    const registrations = new Registrations();
    return Effect.andThen(
      Effect.addFinalizer((exit) => Effect.sync(() => registrations.end(ConnectionEnd.of(exit)))),
      Effect.map(
        makeEvents(registrations),
        (events) => new Epoller(registrar, control, registrations, events),
      ),
    );
  }

  /** Makes a wakeup for an epoll instance that is itself registered in this one. */
  nested(inner: Epoll): Wakeup {
    return {
      subscribe: (onReadable) => this.watch(inner, onReadable),
      hold: this.#events.hold,
      letGo: this.#events.letGo,
    };
  }

  /** Keeps the event loop alive while a fiber waits. Every call is followed by one of `letGo`. */
  hold(): void {
    this.#events.hold();
  }

  /** Ends one call of `hold`. */
  letGo(): void {
    this.#events.letGo();
  }

  /** Keeps the event loop alive while the effect waits. */
  holding<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      let isHeld = false;
      const held = Effect.suspend(() => {
        isHeld = true;
        this.#events.hold();
        return effect;
      });
      return Effect.onExitPrimitive(held, () => {
        if (isHeld) this.#events.letGo();
        return undefined;
      });
    });
  }

  /**
   * Calls back whenever a descriptor becomes readable, or has another event that is asked for. It does not keep
   * the event loop alive: see `holding`. When the scope or the epoller closes, it calls back for the last time, and
   * says so.
   */
  watch(
    fd: FileDescriptor,
    onReady: (hasEnded: boolean) => void,
    events: number = EPOLL.IN,
  ): Effect.Effect<void, MallocFailure | BorrowFailure, Scope.Scope> {
    return this.#add(fd, events | EPOLL.ET, new Watch(onReady), this.#events);
  }

  /**
   * As `watch`, as plain code: gives a function that ends it, or the error. Undefined if that takes an Effect, because
   * the descriptors are those of another process.
   */
  watchNow(
    fd: FileDescriptor,
    onReady: (hasEnded: boolean) => void,
    events: number = EPOLL.IN,
  ): (() => void) | SyscallError | InvalidHandleError | undefined {
    const control = this.#control;
    if (control === undefined || fd.task.fdTable !== this.#registrar.task.fdTable) return undefined;
    for (const handle of [this.#registrar, fd]) if (!handle.isValid) return handle.invalidError;
    const registration: Registration = new Watch(onReady);
    const id = this.#registrations.add(registration);
    const error = control.add(fd, { events: events | EPOLL.ET, data: id });
    if (error !== undefined) {
      this.#registrations.delete(id);
      return error;
    }
    this.#events.want();
    if (this.#registrations.hasEnded) registration.end(this.#registrations.why);
    return () => {
      this.#registrations.delete(id);
      registration.end();
      // If the descriptor was closed, the kernel has removed it already.
      if (this.#registrar.isValid && fd.isValid) control.delete(fd);
      this.#events.unwant();
    };
  }

  /** Registers a descriptor, edge-triggered, until the scope closes. */
  register(
    fd: FileDescriptor,
  ): Effect.Effect<Readiness, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.suspend(() => {
      const readiness = new Readiness(this.#events.hold, this.#events.letGo);
      return Effect.as(this.#add(fd, ALL_EVENTS, readiness), readiness);
    });
  }

  /**
   * As `register`, but when a fiber waits for the first time: most accepted connections have bytes by then, and many are
   * closed before anything waits for them. The kernel reports at the registration what is there already, so no event
   * is missed.
   *
   * @param scope ends the registration
   */
  registerLater(fd: FileDescriptor, scope: Scope.Scope): LaterReadiness {
    const readiness = new Readiness(this.#events.hold, this.#events.letGo);
    const turns = new Turns();
    let isRegistered = false;
    const register = Effect.suspend(() =>
      isRegistered
        ? Effect.void
        : Effect.map(Scope.provide(this.#add(fd, ALL_EVENTS, readiness), scope), () => {
            isRegistered = true;
          }),
    ).pipe(
      // The task has left the descriptor table since: there is nothing more to wait for.
      Effect.catchTag("NamespaceMismatchError", () => Effect.fail(readiness.endError(fd))),
    );
    const once = turns.inTurn(
      () => register,
      () => undefined,
    );
    return {
      readiness,
      wait: (event) =>
        Effect.suspend(() =>
          isRegistered
            ? readiness.wait(event)
            : Effect.andThen(
                once,
                Effect.suspend(() => readiness.wait(event)),
              ),
        ),
    };
  }

  /**
   * Waits until a descriptor may be read or written without blocking. For descriptors on which O_NONBLOCK must not be
   * set because other processes share the open file: stdin, a terminal, an inherited pipe.
   */
  waitFor(
    fd: FileDescriptor,
    event: typeof EPOLL.IN | typeof EPOLL.OUT,
  ): Effect.Effect<void, MallocFailure | BorrowFailure> {
    // It registers a duplicate, because a number can be registered only once, and other fibers may wait for it too.
    // The duplicate is 3 or more, because a lower number would be taken for stdio. EPOLL_CTL_ADD reports events that
    // are already there, so none is missed.
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const readiness = new Readiness(this.#events.hold, this.#events.letGo);
        readiness.fell(event, 0);
        yield* this.#add(yield* fd.dup(3), event | EPOLL.ONESHOT, readiness);
        yield* readiness.wait(event);
      }),
      // Files that epoll refuses, such as regular files, are always ready.
    ).pipe(catchErrno("EPERM", () => Effect.void));
  }

  #add(
    fd: FileDescriptor,
    events: number,
    registration: Registration,
    wanted?: Pick<EventSource, "want" | "unwant">,
  ): Effect.Effect<void, MallocFailure | BorrowFailure, Scope.Scope> {
    const register = Effect.suspend(() => {
      const id = this.#registrations.add(registration);
      return this.#registrar.set(EPOLL_CTL.ADD, fd, { events, data: id }).pipe(
        Effect.tapError(() => Effect.sync(() => this.#registrations.delete(id))),
        Effect.map(() => {
          if (this.#registrations.hasEnded) registration.end(this.#registrations.why);
          wanted?.want();
          return id;
        }),
      );
    });
    return Effect.asVoid(
      acquire(register, (id, exit) =>
        Effect.suspend(() => {
          wanted?.unwant();
          this.#registrations.delete(id);
          registration.end(ConnectionEnd.of(exit));
          // If the descriptor was closed, the kernel has removed it already.
          return Effect.ignore(this.#registrar.delete(fd));
        }),
      ),
    );
  }
}

/** All that an operation may wait for, edge-triggered. */
const ALL_EVENTS = EPOLL.IN | EPOLL.OUT | EPOLL.RDHUP | EPOLL.PRI | EPOLL.ET;

/** The readiness of a descriptor that is registered when a fiber waits. */
export interface LaterReadiness {
  /** What is known of its events. */
  readonly readiness: Readiness;
  /** Waits until the event may be there. */
  readonly wait: (event: WaitableEvent) => Effect.Effect<void, IoFailure>;
}

/** Tells a function of events of any kind. */
class Watch implements Registration {
  readonly #onReady: (hasEnded: boolean) => void;

  constructor(onReady: (hasEnded: boolean) => void) {
    this.#onReady = onReady;
  }

  rose(): void {
    this.#onReady(false);
  }

  end(): void {
    this.#onReady(true);
  }
}

oneLine(Epoller, () => "epoll instance of a task");

export type { WaitableEvent };
