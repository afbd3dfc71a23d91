import type { BorrowFailure, MallocFailure } from "@rsyscall/handle";
import type { Effect, Scope } from "effect";

/** An event loop that is kept alive only while a fiber waits. An `Epoller` is one. */
export interface Holdable {
  /** Keeps the loop alive while a fiber waits. Every call is followed by one of `letGo`. */
  readonly hold: () => void;
  /** Ends one call of `hold`. */
  readonly letGo: () => void;
}

/** Reports when an epoll instance may have events: the event loop in which the instance is registered. */
export interface Wakeup extends Holdable {
  /** Calls back whenever the epoll instance becomes readable, until the scope closes. */
  readonly subscribe: (
    onReadable: () => void,
  ) => Effect.Effect<void, MallocFailure | BorrowFailure, Scope.Scope>;
}
