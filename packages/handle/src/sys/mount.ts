import * as near from "@rsyscall/near";
import type { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import type { TaskLike } from "../TaskLike.ts";

/**
 * mount(2) in the task's mount namespace.
 *
 * @param type of the file system; undefined if the mount needs none, as with MS.BIND
 * @param data options of the file system, separated by commas
 * @example
 * ```ts
 * import { CLONE, MS } from "@rsyscall/abi";
 * import { mount } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const child = yield* (yield* LocalThread).clone(CLONE.NEWUSER | CLONE.NEWNS, {
 *     user: { uid: 0, gid: 0 },
 *   });
 *   yield* mount(child, "none", "/mnt", "tmpfs", MS.NODEV, "size=1m");
 *   yield* child.spit("/mnt/note", "only this process sees it");
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export const mount = (
  { task }: TaskLike,
  source: near.PathLike,
  target: near.PathLike,
  type: string | undefined,
  flags: number,
  data = "",
): Effect.Effect<void, MallocFailure> =>
  task.withPath(
    "mount",
    source,
    (sourceAt) =>
      task.withPath(
        "mount",
        target,
        (targetAt) =>
          task.withPath(
            "mount",
            type ?? "",
            (typeAt) =>
              task.withPath(
                "mount",
                data,
                (dataAt) =>
                  near
                    .mount(
                      task.sysif,
                      sourceAt,
                      targetAt,
                      type === undefined ? near.NULL : typeAt,
                      flags,
                      dataAt,
                    )
                    // As mount(8) lists it.
                    .about(
                      () =>
                        `${near.pathText(source)} on ${near.pathText(target)}${type === undefined ? "" : ` type ${type}`}`,
                    ),
                "data",
              ),
            "type",
          ),
        "target",
      ),
    "source",
  );

/** umount2(2); flags of `MNT`. */
export const umount = (
  { task }: TaskLike,
  target: near.PathLike,
  flags = 0,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("umount2", target, (address) => near.umount2(task.sysif, address, flags));
