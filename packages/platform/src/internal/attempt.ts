import { cStringBytes } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import { Effect, PlatformError } from "effect";
import { platformError } from "../platformError.ts";

const MODULE = "FileSystem";

/** What is wrong with an argument, before anything is done. */
export const badArgument = (method: string, description: string): PlatformError.PlatformError =>
  PlatformError.badArgument({ module: MODULE, method, description });

/** Effects whose errors are PlatformErrors of this method and path. */
export const named = <A, R>(
  method: string,
  path: string | number,
  effect: Effect.Effect<A, HandleFailure | PlatformError.PlatformError, R>,
): Effect.Effect<A, PlatformError.PlatformError, R> =>
  Effect.mapError(effect, (error) =>
    PlatformError.isPlatformError(error) ? error : platformError(MODULE, method, path)(error),
  );

/**
 * An operation on paths. The kernel would stop at a NUL, and act on another file; so that is a
 * BadArgument, as it is for Node.
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

/** Whether the kernel takes it for a mode: 32 bits. */
export const isMode = (mode: number): boolean =>
  Number.isInteger(mode) && mode >= 0 && mode < 2 ** 32;

/** Whether it is a number of bytes. */
export const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;
