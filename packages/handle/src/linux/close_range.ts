import { CLOSE_RANGE } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { IoFailure } from "../errors.ts";
import { argument, between, checked, type Rule } from "../internal/checked.ts";
import { closeRanges } from "../internal/closeRanges.ts";
import type { TaskLike } from "../TaskLike.ts";

/** The numbers that an unsigned int has. */
const number = between("the number of a descriptor", 0, 2 ** 32 - 1);

const flagsRule: Rule<number> = {
  expected:
    "0 or CLOSE_RANGE.CLOEXEC: `unshareFiles` gives the task a table of its own, for CLOSE_RANGE.UNSHARE",
  has: (flags) => flags === 0 || flags === CLOSE_RANGE.CLOEXEC,
};

/**
 * close_range(2): closes all descriptors from `first` to `last`, both included. All handles of them become invalid,
 * also those of other tasks that share the table. With CLOSE_RANGE.CLOEXEC the descriptors become close-on-exec
 * instead, and their handles stay valid. EINVAL if `first` is more than `last`.
 *
 * It leaves the descriptors that rsyscall needs to reach the process (all that are `closeOnFork`), and in this process
 * those that have no handle: they are Node's.
 *
 * @param last default: all that follow
 */
export const closeRange = (
  { task }: TaskLike,
  first: number,
  last: number = 2 ** 32 - 1,
  flags = 0,
): Effect.Effect<void, IoFailure> => {
  const close = Effect.suspend((): Effect.Effect<void, IoFailure> => {
    // The kernel refuses it, and has no other errors.
    if (flags !== 0 || first > last) return near.closeRange(task.sysif, first, last, flags);
    const [range, ...ranges] = task.fdTable.closable({ first, last });
    if (range === undefined) return Effect.void;
    return Effect.map(closeRanges(task, [range, ...ranges]), () =>
      task.fdTable.closed([range, ...ranges]),
    );
  });
  return checked(
    "close_range",
    [
      argument("first", first, number),
      argument("last", last, number),
      argument("flags", flags, flagsRule),
    ],
    Effect.uninterruptible(close),
  );
};
