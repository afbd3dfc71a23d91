import type { Channel } from "./Channel.ts";

/** Channels that have something to be read, and may send it. They take turns. */
export class ChannelTurns {
  readonly #run: () => void;
  #waiting: Array<Channel> = [];
  #isScheduled = false;

  /** @param run sends what there is to be sent */
  constructor(run: () => void) {
    this.#run = run;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Runs soon. What others submit in this turn of the event loop goes out in the same write. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#run();
    });
  }

  /** Gives a channel a turn, if it can use one and does not wait for it already. */
  add(channel: Channel): void {
    if (channel.isWaiting || !channel.isReadable || channel.credit === 0) return;
    channel.isWaiting = true;
    this.#waiting.push(channel);
    this.schedule();
  }

  /** The channel whose turn it is. There must be one. */
  next(): Channel {
    const channel = this.#waiting.shift() as Channel;
    channel.isWaiting = false;
    return channel;
  }

  clear(): void {
    this.#waiting = [];
  }
}
