import { CLOCK, FUTEX, FUTEX2, Int32, Timespec, Uint32, Uint64 } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Pid, PidLike } from "../identifiers.ts";
import { flags, inout, input, int, oneOf, output, pid, size, uint, word } from "../kinds.ts";
import { unknown, value } from "../Memory.ts";
import { between, countOf, nothing, somePid } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

const { WAITERS: _1, OWNER_DIED: _2, TID_MASK: _3, ...operations } = FUTEX;

/** futex(2): the meaning of the arguments depends on the operation. */
export const futex = define<
  [word: Address, operation: number, value: number, timeout: Word, word2?: Word, value3?: number],
  number
>(
  "futex",
  [
    inout(value(Uint32), "word"),
    flags("FUTEX_", operations, 0x7f).as("operation"),
    flags().as("value"),
    word.as("timeout"),
    word.as("word2").or(0),
    flags().as("value3").or(0),
  ],
  between(0, 2 ** 31 - 1),
);

/** set_robust_list(2): the head of the calling task's list, and its size. */
export const setRobustList = define<[head: Address, length: number], void>(
  "set_robust_list",
  [input(unknown, "head"), size],
  nothing,
  { prompt: true },
);

/** futex_wake(2): gives the number of waiters that it woke. Since Linux 6.7. */
export const futexWake = define<[word: Address, mask: Word, count: number, flags: number], number>(
  "futex_wake",
  [input(unknown, "word"), word.as("mask"), int.as("count"), flags("FUTEX2_", FUTEX2, 3)],
  countOf(2),
);

/** futex_wait(2). Since Linux 6.7. */
export const futexWait = define<
  [word: Address, value: Word, mask: Word, flags: number, timeout: Address, clock: number],
  void
>(
  "futex_wait",
  [
    input(unknown, "word"),
    word.as("value"),
    word.as("mask"),
    flags("FUTEX2_", FUTEX2, 3),
    input(value(Timespec), "timeout"),
    oneOf("CLOCK_", CLOCK, "clock"),
  ],
  nothing,
);

/** futex_requeue(2): takes two `struct futex_waitv`. Since Linux 6.7. */
export const futexRequeue = define<
  [waiters: Address, flags: number, wake: number, requeue: number],
  number
>(
  "futex_requeue",
  [input(unknown, "waiters"), flags(), int.as("wake"), int.as("requeue")],
  between(0, 2 ** 31 - 1),
);

/** futex_waitv(2): takes `count` `struct futex_waitv`s; gives the index of the one that was woken. */
export const futexWaitv = define<
  [waiters: Address, count: number, flags: number, timeout: Address, clock: number],
  number
>(
  "futex_waitv",
  [
    input(unknown, "waiters"),
    uint.as("count"),
    flags(),
    input(value(Timespec), "timeout"),
    oneOf("CLOCK_", CLOCK, "clock"),
  ],
  countOf(1),
);

/** get_robust_list(2): writes two 64-bit values. */
export const getRobustList = define<[pid: PidLike, head: Address, length: Address], void>(
  "get_robust_list",
  [pid, output(value(Uint64), "head"), output(value(Uint64), "length")],
  nothing,
);

/** set_tid_address(2): sets the address where the kernel writes 0 when this task ends. Gives its tid. */
export const setTidAddress = define<[address: Address], Pid>(
  "set_tid_address",
  [output(value(Int32), "address")],
  somePid,
  { prompt: true },
);
