import type { EpollEvent } from "@rsyscall/abi";
import { OP_EPOLL_WAIT } from "@rsyscall/wire";
import { PendingCall } from "./PendingCall.ts";

/** A wait for events that was submitted. Its result is their number, and they come with it. */
export class PendingEvents extends PendingCall {
  /** How many were asked for. */
  readonly most: number;
  #events: ReadonlyArray<EpollEvent> = [];

  constructor(most: number) {
    super(OP_EPOLL_WAIT);
    this.most = most;
  }

  /** Those that came, once the wait is done; none, if another operation has ended it. */
  get events(): ReadonlyArray<EpollEvent> {
    return this.#events;
  }

  /** For who made the wait. */
  completeWith(events: ReadonlyArray<EpollEvent>): void {
    this.#events = events;
    this.complete(events.length);
  }
}
