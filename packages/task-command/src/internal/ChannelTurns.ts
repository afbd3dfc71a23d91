import type { Channel } from "./Channel.ts";

/** The channels that are readable and may send. They take turns. */
export class ChannelTurns {
  readonly #run: () => void;
  #waiting: Array<Channel> = [];
  #isScheduled = false;

  /** @param run sends the data of the channels */
  constructor(run: () => void) {
    this.#run = run;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Schedules `run` at the end of this turn of the event loop, so that one write sends the data of all channels. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#run();
    });
  }

  /** Queues a channel for a turn, if it can use one and is not queued already. */
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
