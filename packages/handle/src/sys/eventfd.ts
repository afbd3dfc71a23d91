import { EFD, EPOLL, Uint64 } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { encode } from "../encode.ts";
import type { IoFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { argument, between, checked, encodedBy, exactly } from "../internal/checked.ts";
import type { TaskLike } from "../TaskLike.ts";

/**
 * A counter that can be waited for: sys/eventfd.h.
 *
 * @example
 * ```ts
 * import { Eventfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const eventfd = yield* Eventfd.make(yield* LocalThread);
 *   yield* eventfd.add(2);
 *   yield* eventfd.add(3);
 *   console.log(yield* eventfd.readCount()); // 5n
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Eventfd extends FileDescriptor {
  /** eventfd(2), close-on-exec, from an initial value of 32 bits. `flags` of `EFD`. */
  static make(
    { task }: TaskLike,
    initial = 0,
    flags = 0,
  ): Effect.Effect<Eventfd, near.SyscallFailure, Scope.Scope> {
    return checked(
      "eventfd2",
      [argument("initial", initial, between("a count", 0, 2 ** 32 - 1))],
      FileDescriptor.acquire(
        Eventfd,
        task,
        near.eventfd(task.sysif, initial, near.withFlags(flags, EFD.CLOEXEC)),
      ),
    );
  }

  /**
   * read(2): takes the whole count, or 1 of it with EFD.SEMAPHORE. At 0 it waits, or fails with EAGAIN if the
   * descriptor is non-blocking. A task that waits makes no other calls.
   */
  readCount(): Effect.Effect<bigint, IoFailure> {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      this.task.withResult(Uint64, (at) => near.read(this.task.sysif, fd, at, Uint64.size)),
    );
  }

  /**
   * write(2): adds to the count, which is at most 2^64 - 2. A write that would exceed that waits, or fails with
   * EAGAIN if the descriptor is non-blocking. EINVAL for 2^64 - 1, an InvalidArgumentError for a value that is
   * not a count.
   */
  add(count: bigint | number): Effect.Effect<void, IoFailure> {
    return Effect.flatMap(Eventfd.encodeCount(count), (bytes) =>
      Effect.asVoid(this.writeBytes(bytes)),
    );
  }

  /** Encodes a count for write(2). */
  static encodeCount(count: bigint | number): Effect.Effect<Uint8Array, near.InvalidArgumentError> {
    const expected = "a whole number from 0 to 2^64 - 2, as a bigint from 2^53 on";
    return encodedBy({ syscall: "write", argument: "count", value: count, expected }, () =>
      encode(Uint64, exactly(count)),
    );
  }
}
