import { FUTEX, ROBUST_LIST, RobustFutex, Timespec, type ValueOf } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { encode } from "../encode.ts";
import type { MallocFailure, UseAfterFreeError } from "../errors.ts";
import type { Pointer } from "../Pointer.ts";
import type { TaskLike } from "../TaskLike.ts";

/** futex(2), FUTEX_WAKE: wakes at most `count` waiters, and returns how many it has woken. */
export const futexWake = (
  { task }: TaskLike,
  word: near.Address,
  count: number,
): Effect.Effect<number, near.SyscallFailure> =>
  near.futex(task.sysif, word, FUTEX.WAKE, count, near.NULL);

/**
 * futex(2), FUTEX_WAIT: blocks the task until it is woken, if the word has the value. EAGAIN if it has another
 * value, ETIMEDOUT after the timeout. The futex is not private, so that wakes by the kernel itself arrive.
 *
 * @param timeout in seconds and nanoseconds; undefined waits for ever
 */
export const futexWait = (
  { task }: TaskLike,
  word: near.Address,
  value: number,
  timeout?: Timespec,
): Effect.Effect<void, MallocFailure> => {
  const wait = (at: near.Address) =>
    Effect.asVoid(near.futex(task.sysif, word, FUTEX.WAIT, value, at));
  return timeout === undefined ? wait(near.NULL) : task.withValue(Timespec, timeout, wait);
};

/**
 * set_robust_list(2) with one futex. When the task leaves its memory, by exec or by exit for any reason, the
 * kernel marks the word with FUTEX.OWNER_DIED and wakes a waiter, if the word has the task's tid. Children and
 * parents that share the memory see it. Returns the address of the word.
 *
 * @param memory that stays as long as the task
 */
export const setRobustFutex = (
  { task }: TaskLike,
  memory: Pointer<ValueOf<typeof RobustFutex>>,
  tid: near.Pid,
): Effect.Effect<near.Address, near.SyscallFailure | UseAfterFreeError> =>
  Effect.flatMap(memory.address(), (head) =>
    Effect.as(
      Effect.andThen(
        task.sysif.write(
          head,
          encode(RobustFutex, {
            first: BigInt(head + ROBUST_LIST.NODE),
            futexOffset: ROBUST_LIST.FUTEX_OFFSET,
            listOpPending: 0n,
            next: BigInt(head),
            word: tid,
          }),
        ),
        near.setRobustList(task.sysif, head, ROBUST_LIST.HEAD_SIZE),
      ),
      near.Address(head + ROBUST_LIST.WORD),
    ),
  );
