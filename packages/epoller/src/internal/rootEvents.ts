import type { Epoll } from "@rsyscall/handle";
import {
  acquire,
  ConnectionEnd,
  type ConnectionError,
  type EventWaits,
  isError,
  type PendingEvents,
  SyscallError,
  SyscallSendError,
} from "@rsyscall/near";
import { EVENTS_AT_MOST } from "@rsyscall/wire";
import { Effect, type Scope } from "effect";
import type { Holdable } from "../Wakeup.ts";
import type { EventSource } from "./EventSource.ts";
import type { Registrations } from "./Registrations.ts";

/**
 * Events for which the task itself waits. A wait is in flight whenever events are wanted; whatever else
 * is submitted meanwhile ends it, and then there is the next one. One that is not wanted any more stays
 * until then: it costs nothing.
 */
class RootEvents implements EventSource {
  readonly #registrations: Registrations;
  readonly #epoll: Epoll;
  readonly #waits: EventWaits;
  readonly #loop: Holdable;
  #wanted = 0;
  #inFlight: PendingEvents | undefined;

  constructor(registrations: Registrations, epoll: Epoll, waits: EventWaits, loop: Holdable) {
    this.#registrations = registrations;
    this.#epoll = epoll;
    this.#waits = waits;
    this.#loop = loop;
  }

  readonly hold = (): void => {
    this.#loop.hold();
    this.want();
  };

  readonly letGo = (): void => {
    this.unwant();
    this.#loop.letGo();
  };

  readonly want = (): void => {
    this.#wanted++;
    this.#wait();
  };

  readonly unwant = (): void => {
    this.#wanted--;
  };

  #wait(): void {
    if (this.#wanted === 0 || this.#inFlight !== undefined || this.#registrations.hasEnded) return;
    if (!this.#epoll.isValid) {
      this.#registrations.end();
      return;
    }
    const wait = this.#waits.awaitEvents(this.#epoll.near, EVENTS_AT_MOST);
    this.#inFlight = wait;
    wait.whenDone((outcome) => {
      this.#inFlight = undefined;
      if (typeof outcome === "object") this.#registrations.end(endBy(outcome));
      else if (isError(outcome) || !this.#registrations.tell(wait.events))
        this.#registrations.end();
      // Behind what those who were told have submitted.
      this.#wait();
    });
  }

  /** Any other operation ends the wait that is in flight. */
  endWait(): void {
    if (this.#inFlight !== undefined)
      Effect.runFork(Effect.ignore(this.#epoll.task.sysif.barrier()));
  }
}

/** The end of a connection, as a wait in flight has learned of it. */
const endBy = ({ cause, describe }: ConnectionError): ConnectionEnd =>
  new ConnectionEnd((syscall) => new SyscallSendError({ syscall, cause, describe }));

/** Tasks that wait for events already. */
const waiting = new WeakSet<EventWaits>();

/**
 * Events for which the task itself waits. ENOSYS if its calls are made in a way that would be held back
 * by it; EBUSY if it waits already, because two waits would end each other all the time.
 */
export const rootEvents = (
  registrations: Registrations,
  epoll: Epoll,
  loop: Holdable,
): Effect.Effect<EventSource, SyscallError, Scope.Scope> =>
  acquire(
    Effect.suspend((): Effect.Effect<{ events: RootEvents; waits: EventWaits }, SyscallError> => {
      const { waits } = epoll.task.sysif;
      const refuse = (errno: "ENOSYS" | "EBUSY") =>
        Effect.fail(SyscallError.of("epoll_wait", errno, `fd ${epoll.near}`));
      if (waits === undefined) return refuse("ENOSYS");
      if (waiting.has(waits)) return refuse("EBUSY");
      waiting.add(waits);
      return Effect.succeed({ events: new RootEvents(registrations, epoll, waits, loop), waits });
    }),
    ({ events, waits }) =>
      Effect.sync(() => {
        waiting.delete(waits);
        events.endWait();
      }),
  ).pipe(Effect.map(({ events }) => events));
