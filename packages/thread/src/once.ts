import { Effect } from "effect";

/** As Effect.cached, and nothing is made before it is first asked for. */
export const once = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  let cached: Effect.Effect<A, E, R> | undefined;
  return Effect.suspend(() => {
    cached ??= Effect.runSync(Effect.cached(effect));
    return cached;
  });
};
