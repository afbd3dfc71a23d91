import { IN, type InotifyEvent } from "@rsyscall/abi";

/** What is told of the events of a watch, and of its end. */
export interface Listener {
  readonly tell: (event: InotifyEvent) => void;
  readonly end: () => void;
}

/** One life of a watch descriptor: from inotify_add_watch(2) to its IN.IGNORED. */
export interface Watch {
  readonly wd: number;
  readonly listeners: Set<Listener>;
  /** We have called inotify_rm_watch(2): its last events may still come. */
  removed: boolean;
}

/**
 * Which watch a watch descriptor means. The kernel may give a number again while events of the watch
 * that had it before are still in the queue: the number means the oldest watch whose IN.IGNORED was not
 * seen yet.
 */
export class WatchTable {
  readonly #watches = new Map<number, Array<Watch>>();
  /** How many calls of inotify_add_watch(2) are under way. */
  #adding = 0;
  /** Events of watches whose descriptors we have not been told yet. */
  #unclaimed: Array<InotifyEvent> = [];

  /** How many watches there are. */
  get size(): number {
    let size = 0;
    for (const watches of this.#watches.values()) size += watches.length;
    return size;
  }

  /** Before inotify_add_watch(2): its events may overtake its result. Every call is followed by `added`. */
  adding(): void {
    this.#adding++;
  }

  /** After it, and after `begin` if there is a new watch. */
  added(): void {
    if (--this.#adding === 0) this.#unclaimed = [];
  }

  /** A new watch. */
  begin(wd: number, listener: Listener): Watch {
    const watch = { wd, listeners: new Set([listener]), removed: false };
    const watches = this.#watches.get(wd);
    if (watches === undefined) this.#watches.set(wd, [watch]);
    else watches.push(watch);
    const events = this.#unclaimed.filter((event) => event.wd === wd);
    this.#unclaimed = this.#unclaimed.filter((event) => event.wd !== wd);
    this.dispatch(events);
    return watch;
  }

  /** The watch that the number means to inotify_add_watch(2) now, if it is one of ours. */
  current(wd: number): Watch | undefined {
    const watch = this.#watches.get(wd)?.at(-1);
    return watch?.removed ? undefined : watch;
  }

  /** Whether the end of the watch is still to come. */
  isLive(watch: Watch): boolean {
    return this.#watches.get(watch.wd)?.includes(watch) ?? false;
  }

  /** Tells those whom the events are for. */
  dispatch(events: ReadonlyArray<InotifyEvent>): void {
    for (const event of events) {
      const watches = this.#watches.get(event.wd);
      const watch = watches?.[0];
      if (event.mask & IN.Q_OVERFLOW) this.#overflow(event);
      else if (watches === undefined || watch === undefined) {
        if (this.#adding > 0) this.#unclaimed.push(event);
      } else if (event.mask & IN.IGNORED) {
        watches.shift();
        if (watches.length === 0) this.#watches.delete(event.wd);
        for (const listener of [...watch.listeners]) listener.end();
      } else for (const listener of [...watch.listeners]) listener.tell(event);
    }
  }

  /** Everybody may have missed something. What was missed of removed watches is their end. */
  #overflow(event: InotifyEvent): void {
    for (const [wd, watches] of this.#watches) {
      const left = watches.filter(({ removed }) => !removed);
      if (left.length === 0) this.#watches.delete(wd);
      else this.#watches.set(wd, left);
      for (const { listeners } of left) for (const listener of [...listeners]) listener.tell(event);
    }
  }
}
