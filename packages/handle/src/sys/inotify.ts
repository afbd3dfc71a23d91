import { decodeInotifyEvents, IN, type InotifyEvent } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { FdFailure, IoFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { argument, checked, int } from "../internal/checked.ts";
import type { TaskLike } from "../TaskLike.ts";

/**
 * Reports what happens to files: sys/inotify.h, inotify(7).
 *
 * @example
 * ```ts
 * import { IN } from "@rsyscall/abi";
 * import { Inotify } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const directory = yield* thread.mkdtemp();
 *   const inotify = yield* Inotify.make(thread);
 *   yield* inotify.addWatch(directory, IN.CREATE);
 *   yield* thread.spit(directory.join("new"), "");
 *   const [event] = yield* inotify.readEvents();
 *   console.log(String(event?.name)); // new
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Inotify extends FileDescriptor {
  /** inotify_init1(2), close-on-exec. `flags` may have IN.NONBLOCK. */
  static make(
    { task }: TaskLike,
    flags = 0,
  ): Effect.Effect<Inotify, near.SyscallFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Inotify,
      task,
      near.inotifyInit1(task.sysif, near.withFlags(flags, IN.CLOEXEC)),
    );
  }

  /**
   * inotify_add_watch(2). Returns the watch descriptor of the file, which is the same for all paths to it. If the
   * file is watched already, `mask` replaces its mask, or is added to it with IN.MASK_ADD.
   */
  addWatch(path: near.PathLike, mask: number): Effect.Effect<number, IoFailure> {
    return this.use((fd) =>
      this.task.withPath("inotify_add_watch", path, (at) =>
        near.inotifyAddWatch(this.task.sysif, fd, at, mask),
      ),
    );
  }

  /** inotify_rm_watch(2): removes a watch, whose last event is IN.IGNORED. EINVAL for a watch that no longer exists. */
  rmWatch(wd: number): Effect.Effect<void, FdFailure> {
    return this.use((fd) =>
      checked(
        "inotify_rm_watch",
        [argument("wd", wd, int)],
        near.inotifyRmWatch(this.task.sysif, fd, wd),
      ),
    );
  }

  /**
   * read(2) of as many events as fit into `size` bytes; EINVAL if none fits. If there are none, it waits, or
   * fails with EAGAIN if the descriptor is non-blocking. A task that waits makes no other calls.
   */
  readEvents(size = 16 * 1024): Effect.Effect<ReadonlyArray<InotifyEvent>, IoFailure> {
    return Effect.flatMap(this.readBytes(size), (bytes) =>
      near.decoded("read", `fd ${this.near}`, () => decodeInotifyEvents(bytes)),
    );
  }
}
