import { dirname } from "node:path";
import { LOCK, O } from "@rsyscall/abi";
import { type HandleFailure, open, rename, stat, unlink } from "@rsyscall/handle";
import { catchErrno, type PathLike, pathText } from "@rsyscall/near";
import { Effect } from "effect";
import { Host } from "./Program.ts";

/**
 * Does something on the host once, however often it is asked to: when it is done, a marker file is renamed into place,
 * and where that is, nothing is done. Gives whether it was done now.
 *
 * An attempt holds a lock (flock(2)) on `MARKER.begun` on the host, so two attempts never run at the same time, also
 * if the process that began the first one is cut off but not dead: the second one waits. When the connection to the host
 * is cut, what the attempt has begun there is killed before the lock is released; docs/fleets.md, "What a cut ends", has the
 * few things that go on. What an attempt has done
 * before it was killed is not undone: `again` says whether one was begun before and did not come to its end.
 *
 * @param marker a path on the host, in a directory that is there
 *
 * @example
 * ```ts
 * import { Host, once, Program } from "@rsyscall/fleet";
 * import { Effect, Schema } from "effect";
 *
 * const migrate = Program.make("migrate", { payload: Schema.Struct({ version: Schema.String }) }, ({ version }) =>
 *   once(`/var/lib/app/migrated-${version}`, () =>
 *     Effect.gen(function* () {
 *       const { thread } = yield* Host;
 *       yield* thread.run(yield* thread.which("app-migrate"));
 *     }),
 *   ),
 * );
 * ```
 */
export const once = <A, E, R>(
  marker: PathLike,
  effect: (attempt: { readonly again: boolean }) => Effect.Effect<A, E, R>,
): Effect.Effect<boolean, E | HandleFailure, R | Host> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { task } = (yield* Host).thread;
      const begun = `${pathText(marker)}.begun`;
      const exists = (path: PathLike) =>
        stat(task, path).pipe(
          Effect.as(true),
          catchErrno("ENOENT", () => Effect.succeed(false)),
        );
      if (yield* exists(marker)) return false;
      const again = yield* exists(begun);
      const lock = yield* open(task, begun, O.RDWR | O.CREAT | O.CLOEXEC, 0o600);
      yield* lock.flock(LOCK.EX);
      // The one before us may have come to its end while we waited.
      if (yield* exists(marker)) {
        // Ours is another file, if we opened it after the one before us was renamed.
        yield* catchErrno(unlink(task, begun), "ENOENT", () => Effect.void);
        return false;
      }
      yield* effect({ again });
      yield* rename(task, begun, marker);
      // The name is on the disk before a caller is told that it is done.
      const directory = yield* open(
        task,
        dirname(pathText(marker)),
        O.RDONLY | O.DIRECTORY | O.CLOEXEC,
      );
      yield* directory.fsync();
      return true;
    }),
  );
