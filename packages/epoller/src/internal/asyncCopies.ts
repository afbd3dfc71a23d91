import { EPOLL, SPLICE_F } from "@rsyscall/abi";
import {
  type BorrowFailure,
  type FileDescriptor,
  type MallocFailure,
  pollNow,
} from "@rsyscall/handle";
import { type Fd, NULL, SyscallError, sendfile, splice, write } from "@rsyscall/near";
import { Effect } from "effect";
import type { AsyncParts } from "./AsyncParts.ts";
import type { Restore } from "./Turns.ts";

type Parts = AsyncParts<FileDescriptor>;

/** splice(2) from one descriptor into another until the end. Gives the number of bytes. */
export const spliceAll = (
  source: Parts,
  to: Parts,
): Effect.Effect<number, MallocFailure | BorrowFailure> => {
  const { task } = source.handle;
  const { copySize } = to.calls;
  const copy = Effect.flatMap(source.handle.borrow(task), (from) =>
    Effect.flatMap(to.handle.borrow(task), (target) =>
      source.bytes.isEmpty
        ? splice(task.sysif, from, NULL, target, NULL, copySize, SPLICE_F.NONBLOCK)
        : writeKept(source, target, copySize),
    ),
  );
  return source.attempts.turns.inTurn(
    (restore) => repeat(copy, to, source, restore),
    () => undefined,
  );
};

/** write(2) of kept bytes. Gives the number of bytes. */
const writeKept = (
  source: Parts,
  to: Fd,
  size: number,
): Effect.Effect<number, MallocFailure | BorrowFailure> => {
  const { task } = source.handle;
  return Effect.suspend(() => {
    const { bytes } = source.bytes.takeReceived(size);
    let written = 0;
    return task
      .withBytes(bytes, (address) => write(task.sysif, to, address, bytes.length))
      .pipe(
        Effect.tap((count) =>
          Effect.sync(() => {
            written = count;
          }),
        ),
        Effect.ensuring(Effect.suspend(() => source.bytes.putBack(bytes.subarray(written)))),
      );
  });
};

/** sendfile(2) from a file of the same task until its end. Gives the number of bytes. */
export const sendFileAll = (
  from: FileDescriptor,
  to: Parts,
): Effect.Effect<number, MallocFailure | BorrowFailure> => {
  const { task } = to.handle;
  const copy = Effect.flatMap(to.handle.borrow(task), (target) =>
    Effect.flatMap(from.borrow(task), (file) =>
      sendfile(task.sysif, target, file, NULL, to.calls.copySize),
    ),
  );
  return Effect.uninterruptibleMask((restore) => repeat(copy, to, undefined, restore));
};

/**
 * Repeats a copying call until it copies nothing. EAGAIN does not say which of the two descriptors is not ready; and
 * when poll(2) is asked, that one may be ready again, without a further edge.
 *
 * @param from the source; undefined if it is always ready
 */
const repeat = (
  copy: Effect.Effect<number, MallocFailure | BorrowFailure>,
  to: Parts,
  from: Parts | undefined,
  restore: Restore,
): Effect.Effect<number, MallocFailure | BorrowFailure> => {
  const copyFrom = (copied: number): Effect.Effect<number, MallocFailure | BorrowFailure> =>
    Effect.suspend(() => {
      const inEdges = from === undefined ? 0 : from.attempts.readiness.edges(EPOLL.IN);
      const outEdges = to.attempts.readiness.edges(EPOLL.OUT);
      const waitUnlessReady = (
        parts: Parts,
        event: typeof EPOLL.IN | typeof EPOLL.OUT,
        edges: number,
      ) =>
        Effect.flatMap(
          pollNow(parts.handle, event),
          (events): Effect.Effect<void, MallocFailure | BorrowFailure> =>
            events !== 0 ? Effect.void : parts.attempts.waitAfter(event, edges, restore),
        );
      const waitForBoth = Effect.andThen(
        waitUnlessReady(to, EPOLL.OUT, outEdges),
        Effect.suspend(() =>
          from === undefined || !from.bytes.isEmpty
            ? Effect.void
            : waitUnlessReady(from, EPOLL.IN, inEdges),
        ),
      );
      // Copying calls have no flag of their own; only O_NONBLOCK keeps them from waiting.
      const mayWait = !to.calls.neverWait || (from !== undefined && !from.calls.neverWait);
      return Effect.matchEffect(mayWait ? Effect.andThen(waitForBoth, copy) : copy, {
        onSuccess: (count) => (count === 0 ? Effect.succeed(copied) : copyFrom(copied + count)),
        onFailure: (error): Effect.Effect<number, MallocFailure | BorrowFailure> =>
          error instanceof SyscallError && error.errno === "EAGAIN"
            ? Effect.andThen(waitForBoth, copyFrom(copied))
            : Effect.fail(error),
      });
    });
  return copyFrom(0);
};
