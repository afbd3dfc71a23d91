import { EPOLL } from "@rsyscall/abi";
import { type FileDescriptor, type InvalidHandleError, UseAfterFreeError } from "@rsyscall/handle";
import { type ConnectionEnd, oneLine } from "@rsyscall/near";
import { Effect } from "effect";

/** The assumed state of one event of a descriptor. */
class Flag {
  /** The number of rising edges so far. */
  count = 0;
  ready = true;
  readonly waiters = new Set<() => void>();
}

/**
 * The assumed readiness of one edge-triggered descriptor: a flag rises with an epoll event and falls with
 * EAGAIN. A missed fall costs one EAGAIN; a missed rise is a deadlock.
 *
 * An event may overtake the EAGAIN of a call that was made before it, because the two arrive on
 * different paths. So a fall only counts if no edge came since the call was made: the caller takes
 * `edges` before the call and passes it to `fell`.
 *
 * The flags are set at first, so that a use in the wrong direction fails immediately instead of waiting for ever.
 */
export class Readiness {
  readonly #in = new Flag();
  readonly #out = new Flag();
  readonly #rdhup = new Flag();
  readonly #hold: () => void;
  readonly #letGo: () => void;
  #ended = false;
  #why: ConnectionEnd | undefined;

  /** `hold` and `letGo` bracket every wait. */
  constructor(hold: () => void, letGo: () => void) {
    this.#hold = hold;
    this.#letGo = letGo;
    this.#rdhup.ready = false;
  }

  #flag(event: WaitableEvent): Flag {
    return event === EPOLL.IN ? this.#in : event === EPOLL.OUT ? this.#out : this.#rdhup;
  }

  /** Returns the number of times the event has come. */
  edges(event: WaitableEvent): number {
    return this.#flag(event).count;
  }

  /** Whether the event may be there. */
  isReady(event: WaitableEvent): boolean {
    return this.#flag(event).ready;
  }

  /** Notes an EAGAIN of a call that was made when `edges` gave this number. */
  fell(event: WaitableEvent, edges: number): void {
    const flag = this.#flag(event);
    if (flag.count === edges && !this.#ended) flag.ready = false;
  }

  /** Notes events from epoll. After an error or hang-up every call returns immediately, with the reason. */
  rose(events: number): void {
    const ended = (events & (EPOLL.ERR | EPOLL.HUP)) !== 0;
    if (ended || events & (EPOLL.IN | EPOLL.RDHUP)) this.#rise(this.#in);
    if (ended || events & EPOLL.OUT) this.#rise(this.#out);
    if (ended || events & EPOLL.RDHUP) this.#rise(this.#rdhup);
  }

  #rise(flag: Flag): void {
    flag.count++;
    flag.ready = true;
    for (const wake of [...flag.waiters]) wake();
  }

  /**
   * Ends all present and future waits: no more events will come.
   *
   * @param why the end of the connection to the task, if that is the reason
   */
  end(why?: ConnectionEnd): void {
    if (!this.#ended) this.#why = why;
    this.#ended = true;
    this.rose(EPOLL.HUP);
  }

  /** Makes the error of an operation that would have to wait after the end. */
  endError({ near }: FileDescriptor): InvalidHandleError {
    const subject = `fd ${near}`;
    return this.#why?.sendError(`use of ${subject}`) ?? new UseAfterFreeError({ subject });
  }

  /** Whether no more events will come. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Waits until the event may be there. Can be interrupted immediately. */
  wait(event: WaitableEvent): Effect.Effect<void> {
    return Effect.suspend(() => {
      const flag = this.#flag(event);
      if (flag.ready) return Effect.void;
      return Effect.callback<void>((resume) => {
        const stop = () => {
          if (flag.waiters.delete(wake)) this.#letGo();
        };
        const wake = () => {
          stop();
          resume(Effect.void);
        };
        flag.waiters.add(wake);
        this.#hold();
        return Effect.sync(stop);
      });
    });
  }
}

oneLine(Readiness, () => "of a descriptor");

/** The events for which a fiber can wait. */
export type WaitableEvent = typeof EPOLL.IN | typeof EPOLL.OUT | typeof EPOLL.RDHUP;
