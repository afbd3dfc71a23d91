import { Effect, type Fiber } from "effect";

/** Forks an effect and runs it at once, up to its first wait. */
export const begin = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true });

/** Waits for one turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.promise(
  () => new Promise((resolve) => setImmediate(resolve)),
);
