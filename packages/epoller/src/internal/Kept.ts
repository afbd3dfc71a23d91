import type { Effect } from "effect";

/** What calls have brought for fibers that were interrupted meanwhile: the next fiber that asks gets it. */
export interface Kept<B, E = never, R = never> {
  readonly isEmpty: boolean;
  /** The next, or as much of it as fits. There must be something. */
  readonly take: (size: number) => Effect.Effect<B, E, R>;
  /** Makes something the next. */
  readonly putBack: (result: B) => Effect.Effect<void, E>;
}
