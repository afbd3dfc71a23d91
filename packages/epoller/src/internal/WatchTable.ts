import { IN, type InotifyEvent } from "@rsyscall/abi";

/** Gets the events of a watch, and its end. */
export interface Listener {
  readonly tell: (event: InotifyEvent) => void;
  readonly end: () => void;
}

/** One life of a watch descriptor: from inotify_add_watch(2) to its IN.IGNORED. */
export interface Watch {
  readonly wd: number;
  readonly listeners: Set<Listener>;
  /** Whether inotify_rm_watch(2) was called: its last events may still come. */
  removed: boolean;
}

/**
 * Maps watch descriptors to watches. The kernel may reuse a number while events of its previous watch
 * are still in the queue: in an event, the number means the oldest watch whose IN.IGNORED was not
 * seen yet.
 */
export class WatchTable {
  readonly #watches = new Map<number, Array<Watch>>();
  /** The number of calls of inotify_add_watch(2) that are in flight. */
  #adding = 0;
  /** Events of watches whose descriptors are not known yet. */
  #unclaimed: Array<InotifyEvent> = [];

  /** The number of watches. */
  get size(): number {
    let size = 0;
    for (const watches of this.#watches.values()) size += watches.length;
    return size;
  }

  /** Must be called before inotify_add_watch(2), because events may overtake its result. Followed by `added`. */
  adding(): void {
    this.#adding++;
  }

  /** Must be called after inotify_add_watch(2), and after `begin` if there is a new watch. */
  added(): void {
    if (--this.#adding === 0) this.#unclaimed = [];
  }

  /** Adds a new watch. */
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

  /** Returns the watch that has the number in the kernel now, if it is in this table. */
  current(wd: number): Watch | undefined {
    const watch = this.#watches.get(wd)?.at(-1);
    return watch?.removed ? undefined : watch;
  }

  /** Whether the end of the watch is still to come. */
  isLive(watch: Watch): boolean {
    return this.#watches.get(watch.wd)?.includes(watch) ?? false;
  }

  /** Passes events to their listeners. */
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

  /** Tells all listeners that events were lost. The lost events of removed watches include their end. */
  #overflow(event: InotifyEvent): void {
    for (const [wd, watches] of this.#watches) {
      const left = watches.filter(({ removed }) => !removed);
      if (left.length === 0) this.#watches.delete(wd);
      else this.#watches.set(wd, left);
      for (const { listeners } of left) for (const listener of [...listeners]) listener.tell(event);
    }
  }
}
