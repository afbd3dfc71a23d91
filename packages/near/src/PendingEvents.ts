import type { EpollEvent } from "@rsyscall/abi";
import { OP_EPOLL_WAIT } from "@rsyscall/wire";
import { PendingCall } from "./PendingCall.ts";

/** A wait for events that was submitted. Its result is the number of events, which arrive with it. */
export class PendingEvents extends PendingCall {
  /** The maximum number of events that was asked for. */
  readonly most: number;
  #events: ReadonlyArray<EpollEvent> = [];

  constructor(most: number) {
    super(OP_EPOLL_WAIT);
    this.most = most;
  }

  /** The events, once the wait is done; none if another operation has ended it. */
  get events(): ReadonlyArray<EpollEvent> {
    return this.#events;
  }

  /** Completes the wait. For the interface that made it. */
  completeWith(events: ReadonlyArray<EpollEvent>): void {
    this.#events = events;
    this.complete(events.length);
  }
}
