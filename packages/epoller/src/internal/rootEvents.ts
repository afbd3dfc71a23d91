import type { Epoll } from "@rsyscall/handle";
import {
  acquire,
  ConnectionEnd,
  type ConnectionError,
  type EventWaits,
  InvalidStateError,
  isError,
  type PendingEvents,
  SyscallSendError,
} from "@rsyscall/near";
import { EVENTS_AT_MOST } from "@rsyscall/wire";
import { Effect, type Scope } from "effect";
import type { Holdable } from "../Wakeup.ts";
import type { EventSource } from "./EventSource.ts";
import type { Registrations } from "./Registrations.ts";

/**
 * Events for which the task itself waits. A wait is in flight whenever events are wanted. Any other operation
 * that is submitted ends it, and then the next wait is submitted. If events are no longer wanted, the last wait
 * stays until then, because it costs nothing.
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
      // After the operations that the callbacks have submitted.
      this.#wait();
    });
  }

  /** Any other operation ends the wait that is in flight. */
  endWait(): void {
    if (this.#inFlight !== undefined)
      Effect.runFork(Effect.ignore(this.#epoll.task.sysif.barrier()));
  }
}

/** Converts the error of a wait in flight to the end of the connection. */
const endBy = ({ cause, describe }: ConnectionError): ConnectionEnd =>
  new ConnectionEnd((syscall) => new SyscallSendError({ syscall, cause, describe }));

/** Tasks that wait for events already. */
const waiting = new WeakSet<EventWaits>();

/**
 * Makes the source of events for which the task itself waits. InvalidStateError if a wait would delay the other calls
 * of the task, or if the task waits already, because two waits would end each other all the time.
 */
export const rootEvents = (
  registrations: Registrations,
  epoll: Epoll,
  loop: Holdable,
): Effect.Effect<EventSource, InvalidStateError, Scope.Scope> =>
  acquire(
    Effect.suspend(
      (): Effect.Effect<{ events: RootEvents; waits: EventWaits }, InvalidStateError> => {
        const { waits } = epoll.task.sysif;
        const refuse = (problem: string, remedy: string) =>
          Effect.fail(
            new InvalidStateError({
              syscall: "epoll_wait",
              subject: String(epoll.task),
              problem,
              remedy,
            }),
          );
        if (waits === undefined)
          return refuse(
            "is reached in a way in which a wait would hold back its other calls",
            "use `Epoller.nested`, which waits here",
          );
        if (waiting.has(waits))
          return refuse("waits for events already", "use the epoller that it has");
        waiting.add(waits);
        return Effect.succeed({ events: new RootEvents(registrations, epoll, waits, loop), waits });
      },
    ),
    ({ events, waits }) =>
      Effect.sync(() => {
        waiting.delete(waits);
        events.endWait();
      }),
  ).pipe(Effect.map(({ events }) => events));
