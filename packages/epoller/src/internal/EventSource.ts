/** The source of the events of an epoll instance, which is told when events are wanted. Calls may be nested. */
export interface EventSource {
  /** A fiber waits: events are wanted, and the event loop must stay alive. Followed by `letGo`. */
  readonly hold: () => void;
  readonly letGo: () => void;
  /** Events are wanted, but the event loop need not stay alive for them. Followed by `unwant`. */
  readonly want: () => void;
  readonly unwant: () => void;
}
