import { Effect, type Exit, Scope } from "effect";

/**
 * As Effect.acquireRelease, for what is released without an environment: less of it stays for as long
 * as the scope does. `release` is told with what the scope closes.
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
