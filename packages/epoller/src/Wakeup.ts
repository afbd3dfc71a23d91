import type { HandleFailure } from "@rsyscall/handle";
import type { Effect, Scope } from "effect";

/** An event loop that goes on only while a fiber waits. An `Epoller` is one. */
export interface Holdable {
  /** A fiber waits: the loop must go on. Every call is followed by one of `letGo`. */
  readonly hold: () => void;
  readonly letGo: () => void;
}

/** Tells when an epoll instance may have events: the event loop that it hangs in. */
export interface Wakeup extends Holdable {
  /** Calls back whenever the epoll instance becomes readable, until the scope closes. */
  readonly subscribe: (onReadable: () => void) => Effect.Effect<void, HandleFailure, Scope.Scope>;
}
