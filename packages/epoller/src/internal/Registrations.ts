import type { EpollEvent } from "@rsyscall/abi";
import type { ConnectionEnd } from "@rsyscall/near";

/** What is told of the events of a descriptor, and when there will be no more. */
export interface Registration {
  readonly rose: (events: number) => void;
  /** With the reason, if that is the end of the connection to the task. */
  readonly end: (why?: ConnectionEnd) => void;
}

/**
 * What is told of the events of an epoll instance, by the number that the kernel gives back with each.
 *
 * Numbers are counted up and never used twice, so an event that was taken before its descriptor was
 * deleted, and is told afterwards, finds no registration. Numbers that are used again would need to wait until
 * every wait that was in flight at the deletion has ended. They do not run out: 2^53 of them
 * are 285 years of a million registrations a second. And they cost nothing, because what was deleted is
 * not in the map.
 */
export class Registrations {
  readonly #byId = new Map<number, Registration>();
  #lastId = 0;
  #hasEnded = false;
  #why: ConnectionEnd | undefined;

  /** The number for a registration. */
  add(registration: Registration): number {
    const id = ++this.#lastId;
    this.#byId.set(id, registration);
    return id;
  }

  /** Nothing more is told to it. */
  delete(id: number): void {
    this.#byId.delete(id);
  }

  /** Whether no registration will be told anything any more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Why, as registrations are told. */
  get why(): ConnectionEnd | undefined {
    return this.#why;
  }

  /**
   * Tells each registration of its events. False, at the first event with a number that was never given out: then
   * a task that has the instance too has registered something itself.
   */
  tell(events: ReadonlyArray<EpollEvent>): boolean {
    for (const event of events) {
      if (event.data < 1 || event.data > this.#lastId) return false;
      this.#byId.get(event.data)?.rose(event.events);
    }
    return true;
  }

  /** No events will come: fibers that wait for one must not wait for ever. */
  end(why?: ConnectionEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#why = why;
    // What is told may delete registrations, or make new ones.
    for (const [id, registration] of [...this.#byId]) if (this.#byId.has(id)) registration.end(why);
  }
}
