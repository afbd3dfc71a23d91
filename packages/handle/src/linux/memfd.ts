import { MFD } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import type { Effect, Scope } from "effect";
import type { MallocFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import type { TaskLike } from "../TaskLike.ts";

/**
 * A file in memory: linux/memfd.h.
 *
 * @example
 * ```ts
 * import { Memfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const memfd = yield* Memfd.make(thread, "scratch");
 *   yield* memfd.writeAllText("hello");
 *   console.log((yield* memfd.fstat()).size); // 5
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Memfd extends FileDescriptor {
  /** memfd_create(2), close-on-exec. /proc shows the name. */
  static make(
    { task }: TaskLike,
    name: string,
    flags = 0,
  ): Effect.Effect<Memfd, MallocFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Memfd,
      task,
      task.withPath(
        "memfd_create",
        name,
        (address) => near.memfdCreate(task.sysif, address, near.withFlags(flags, MFD.CLOEXEC)),
        "name",
      ),
    );
  }
}
