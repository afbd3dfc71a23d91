import { cStringBytes } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import { Effect, PlatformError } from "effect";
import { platformError } from "../platformError.ts";

const MODULE = "FileSystem";

/** An error for an argument that is refused before anything is done. */
export const badArgument = (method: string, description: string): PlatformError.PlatformError =>
  PlatformError.badArgument({ module: MODULE, method, description });

/** Makes the errors of an effect PlatformErrors of this method and path. */
export const named = <A, R>(
  method: string,
  path: string | number,
  effect: Effect.Effect<A, HandleFailure | PlatformError.PlatformError, R>,
): Effect.Effect<A, PlatformError.PlatformError, R> =>
  Effect.mapError(effect, (error) =>
    PlatformError.isPlatformError(error) ? error : platformError(MODULE, method, path)(error),
  );

/**
 * Runs an operation on paths. A path with a NUL is a BadArgument, as for Node: the kernel would stop at the
 * NUL and act on another file.
 */
export const attempt = <A, R>(
  method: string,
  paths: readonly [string, ...ReadonlyArray<string>],
  operation: () => Effect.Effect<A, HandleFailure | PlatformError.PlatformError, R>,
): Effect.Effect<A, PlatformError.PlatformError, R> =>
  Effect.suspend(() => {
    for (const path of paths)
      if (typeof path !== "string" || cStringBytes(path) === undefined)
        return Effect.fail(badArgument(method, `${JSON.stringify(path)} cannot be a path`));
    return named(method, paths[0], operation());
  });

/** Whether a number is a mode: 32 bits. */
export const isMode = (mode: number): boolean =>
  Number.isInteger(mode) && mode >= 0 && mode < 2 ** 32;

/** Whether a number is a number of bytes. */
export const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;
