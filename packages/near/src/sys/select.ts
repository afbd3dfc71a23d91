import { Timespec } from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, NULL } from "../identifiers.ts";
import { inout, input, int } from "../kinds.ts";
import { unknown, value } from "../Memory.ts";
import { between } from "../Result.ts";

/** pselect6, the system call behind pselect(2). `mask` points to the address of a set and its size. See ppoll. */
export const pselect = define<
  [
    count: number,
    readers: Address,
    writers: Address,
    others: Address,
    timeout: Address,
    mask?: Address,
  ],
  number
>(
  "pselect6",
  [
    int.as("count"),
    inout(unknown, "readers"),
    inout(unknown, "writers"),
    inout(unknown, "others"),
    inout(value(Timespec), "timeout"),
    input(unknown, "mask").or(NULL),
  ],
  between(0, 3 * 2 ** 31),
);
