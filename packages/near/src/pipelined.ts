import { Effect } from "effect";

/**
 * As Effect.all: the operations are submitted in order, each without waiting for the one before, so
 * that together they take one round trip.
 */
export const pipelined = <const A extends ReadonlyArray<Effect.Effect<unknown, unknown, unknown>>>(
  operations: A,
) => Effect.all(operations, { concurrency: "unbounded" });
