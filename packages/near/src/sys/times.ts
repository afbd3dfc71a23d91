import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { output } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { someOffset } from "../Result.ts";

/** times(2): a `struct tms`, and ticks since some time. */
export const times = define<[buffer: Address], number>(
  "times",
  [output(unknown, "buffer")],
  someOffset,
  { prompt: true },
);
