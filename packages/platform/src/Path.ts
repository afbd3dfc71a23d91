import { getcwd } from "@rsyscall/handle";
import type { Thread } from "@rsyscall/thread";
import { Effect, Layer, Path, type PlatformError } from "effect";
import { platformError } from "./platformError.ts";

/**
 * Effect's Path for a Thread. POSIX paths are only text, so nearly all of it is Effect's own. Only methods
 * that make a relative path absolute (`resolve`, `resolveWithin`, `relative`, `toFileUrl`) depend on the
 * process: they use the working directory that the Thread had when the layer was built, because they are
 * no Effects and cannot ask for it later.
 */
export const layer = (thread: Thread): Layer.Layer<Path.Path, PlatformError.PlatformError> =>
  Layer.effect(
    Path.Path,
    Effect.gen(function* () {
      const { text: cwd } = yield* Effect.mapError(
        getcwd(thread.task),
        platformError("Path", "layer"),
      );
      const posix = yield* Effect.provide(Path.Path, Path.layer);
      return Path.make({
        ...posix,
        resolve: (...segments) => posix.resolve(cwd, ...segments),
        relative: (from, to) => posix.relative(posix.resolve(cwd, from), posix.resolve(cwd, to)),
        toFileUrl: (path) => {
          // A trailing slash has a meaning in a URL.
          const slash = path.endsWith("/") && path !== "/" ? "/" : "";
          return posix.toFileUrl(posix.resolve(cwd, path) + slash);
        },
      });
    }),
  );
