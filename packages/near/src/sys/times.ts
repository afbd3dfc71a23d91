import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { output } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { someOffset } from "../Result.ts";

/** times(2): writes a `struct tms`; gives the ticks since an arbitrary time. */
export const times = define<[buffer: Address], number>(
  "times",
  [output(unknown, "buffer")],
  someOffset,
  { prompt: true },
);
