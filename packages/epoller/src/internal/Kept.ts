import type { Effect } from "effect";

/** Results of calls whose fibers were interrupted meanwhile: the next fiber that asks gets them. */
export interface Kept<B, E = never, R = never> {
  readonly isEmpty: boolean;
  /** Takes the next result, or as much of it as fits. There must be one. */
  readonly take: (size: number) => Effect.Effect<B, E, R>;
  /** Puts a result back as the next one. */
  readonly putBack: (result: B) => Effect.Effect<void, E>;
}
