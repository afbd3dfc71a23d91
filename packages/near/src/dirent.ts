import { define } from "./define.ts";
import type { Address, Fd } from "./identifiers.ts";
import { fd, output, size } from "./kinds.ts";
import { bytes } from "./Memory.ts";
import { countOf } from "./Result.ts";

/** getdents64(2): gives the number of bytes that it wrote, 0 at the end. */
export const getdents = define<[fd: Fd, buffer: Address, length: number], number>(
  "getdents64",
  [fd, output(bytes(2), "buffer"), size],
  countOf(2),
);
