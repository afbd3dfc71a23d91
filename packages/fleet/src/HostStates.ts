import { Context, Effect, type Scope } from "effect";

/** What becomes of the hosts of a process: where it is shown. */
export interface HostStates {
  /** It is about to be opened. */
  readonly opening: (host: string) => Effect.Effect<void>;
  /** It is open. */
  readonly open: (host: string) => Effect.Effect<void>;
  /** It could not be opened. */
  readonly failed: (host: string, detail: string) => Effect.Effect<void>;
  /** It is not open any more, or is not opened after all. */
  readonly closed: (host: string) => Effect.Effect<void>;
  /** A program runs for as long as the scope. */
  readonly running: (
    host: string,
    program: string,
    key: string,
  ) => Effect.Effect<void, never, Scope.Scope>;
}

/** Shows nothing, unless it is provided. */
export const HostStates = Context.Reference<HostStates>("@rsyscall/fleet/HostStates", {
  defaultValue: () => ({
    opening: () => Effect.void,
    open: () => Effect.void,
    failed: () => Effect.void,
    closed: () => Effect.void,
    running: () => Effect.void,
  }),
});
