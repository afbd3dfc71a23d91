import { Effect, type Exit, Scope } from "effect";

/**
 * As Effect.acquireRelease, for a resource whose release needs no environment: it uses less memory while the
 * scope is open. `release` gets the exit of the scope.
 */
export const acquire = <A, E, R>(
  get: Effect.Effect<A, E, R>,
  release: (value: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>,
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.flatMap(get, (value) =>
        Effect.as(
          Scope.addFinalizerExit(scope, (exit) => release(value, exit)),
          value,
        ),
      ),
    ),
  );
