import { Int64 } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fd, inout, size } from "../kinds.ts";
import { value } from "../Memory.ts";
import { countOf } from "../Result.ts";

/**
 * sendfile(2), from a 64-bit offset; with NULL it uses and moves the offset of the open file. Gives the number of
 * bytes.
 */
export const sendfile = define<[to: Fd, from: Fd, offset: Address, length: number], number>(
  "sendfile",
  [fd.as("to"), fd.as("from"), inout(value(Int64), "offset"), size],
  countOf(3),
);
