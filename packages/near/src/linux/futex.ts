import { FUTEX, Uint32 } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, inout, input, size, word } from "../kinds.ts";
import { unknown, value } from "../Memory.ts";
import { between, nothing } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

const { WAITERS: _1, OWNER_DIED: _2, TID_MASK: _3, ...operations } = FUTEX;

/** futex(2): what the arguments mean depends on the operation. */
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
