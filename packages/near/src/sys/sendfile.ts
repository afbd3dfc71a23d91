import { Int64 } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fd, inout, size } from "../kinds.ts";
import { value } from "../Memory.ts";
import { countOf } from "../Result.ts";

/**
 * sendfile(2), from a 64-bit offset, or with NULL from where the offset of the open file is, which moves on. Gives
 * how many bytes.
 */
export const sendfile = define<[to: Fd, from: Fd, offset: Address, length: number], number>(
  "sendfile",
  [fd.as("to"), fd.as("from"), inout(value(Int64), "offset"), size],
  countOf(3),
);
