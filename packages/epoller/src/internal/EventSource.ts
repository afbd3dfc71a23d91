/** How the events of an epoll instance come to us, and when they have to. Calls may be nested. */
export interface EventSource {
  /** A fiber waits: events are wanted, and the event loop must go on. Followed by `letGo`. */
  readonly hold: () => void;
  readonly letGo: () => void;
  /** Events are wanted, and the event loop need not go on for them. Followed by `unwant`. */
  readonly want: () => void;
  readonly unwant: () => void;
}
