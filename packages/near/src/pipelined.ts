import { Effect } from "effect";

/**
 * As Effect.all: submits the operations in order, each without waiting for the one before, so that
 * together they take one round trip. Each operation must submit immediately: if it first waited for
 * something else, such as memory, it would lose its place in the order.
 */
export const pipelined = <const A extends ReadonlyArray<Effect.Effect<unknown, unknown, unknown>>>(
  operations: A,
) => Effect.all(operations, { concurrency: "unbounded" });
