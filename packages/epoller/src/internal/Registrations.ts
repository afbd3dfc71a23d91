import type { EpollEvent } from "@rsyscall/abi";
import { type ConnectionEnd, NumberMap } from "@rsyscall/near";

/** A registration: it gets the events of a descriptor, and their end. */
export interface Registration {
  readonly rose: (events: number) => void;
  /** No more events will come. Gets the reason if that is the end of the connection to the task. */
  readonly end: (why?: ConnectionEnd) => void;
}

/**
 * The registrations of an epoll instance, by the number that the kernel returns with each event.
 *
 * Numbers are counted up and never reused. So if an event was taken before its descriptor was deleted,
 * and is dispatched afterwards, it finds no registration. Reused numbers would have to wait until every
 * wait that was in flight at the deletion has ended. The numbers do not run out: 2^53 of them last 285 years at
 * a million registrations a second. They cost no memory, because deleted registrations are removed from the map.
 */
export class Registrations {
  readonly #byId = new NumberMap<Registration>();
  #lastId = 0;
  #hasEnded = false;
  #why: ConnectionEnd | undefined;

  /** Adds a registration and returns its number. */
  add(registration: Registration): number {
    const id = ++this.#lastId;
    this.#byId.set(id, registration);
    return id;
  }

  /** Removes a registration: it gets no more events. */
  delete(id: number): void {
    this.#byId.delete(id);
  }

  /** Whether no registration will get more events. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The reason of the end that registrations got. */
  get why(): ConnectionEnd | undefined {
    return this.#why;
  }

  /**
   * Gives each registration its events. Stops and returns false at an event with a number that was never given out:
   * then a task that has the instance too has registered something itself.
   */
  tell(events: ReadonlyArray<EpollEvent>): boolean {
    for (const event of events) {
      if (event.data < 1 || event.data > this.#lastId) return false;
      this.#byId.get(event.data)?.rose(event.events);
    }
    return true;
  }

  /** Ends all registrations: no more events will come, and fibers must not wait for ever. */
  end(why?: ConnectionEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#why = why;
    // A callback may delete registrations, or add new ones.
    for (const [id, registration] of [...this.#byId]) if (this.#byId.has(id)) registration.end(why);
  }
}
