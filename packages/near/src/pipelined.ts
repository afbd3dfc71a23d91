import { Effect } from "effect";

/**
 * As Effect.all: the operations are submitted in order, each without waiting for the one before, so
 * that together they take one round trip. Each must submit at once: one that first has to wait for
 * something else, such as memory, would lose its place.
 */
export const pipelined = <const A extends ReadonlyArray<Effect.Effect<unknown, unknown, unknown>>>(
  operations: A,
) => Effect.all(operations, { concurrency: "unbounded" });
