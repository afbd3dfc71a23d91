import { Effect } from "effect";

/** As Effect.cached, but makes nothing before the first use. */
export const once = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  let cached: Effect.Effect<A, E, R> | undefined;
  return Effect.suspend(() => {
    cached ??= Effect.runSync(Effect.cached(effect));
    return cached;
  });
};
