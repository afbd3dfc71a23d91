import { MADV, MAP, PROT } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fdOrNone, flags, input, offset, oneOf, size } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { newAddress, nothing } from "../Result.ts";

/*
 * None is prompt: they may read files (MAP_POPULATE, locked memory), ask a FUSE server or wait for the reader of a
 * userfaultfd.
 */

const memory = input(unknown, "address");
const protection = flags("PROT_", PROT).as("protection");

/** mmap(2). `length` in bytes, rounded up to pages by the kernel; fd -1 for anonymous memory. */
export const mmap = define<
  [
    address: Address,
    length: number,
    protection: number,
    flags: number,
    fd: Fd | -1,
    offset: number | bigint,
  ],
  Address
>("mmap", [memory, size, protection, flags("MAP_", MAP, 0x0f), fdOrNone, offset], newAddress);

/** munmap(2) */
export const munmap = define<[address: Address, length: number], void>(
  "munmap",
  [memory, size],
  nothing,
);

/** madvise(2) */
export const madvise = define<[address: Address, length: number, advice: number], void>(
  "madvise",
  [memory, size, oneOf("MADV_", MADV, "advice")],
  nothing,
);

/** mprotect(2) */
export const mprotect = define<[address: Address, length: number, protection: number], void>(
  "mprotect",
  [memory, size, protection],
  nothing,
);
