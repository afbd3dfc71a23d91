import { CLOCK } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { inout, oneOf } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { between } from "../Result.ts";

/** adjtimex(2): `buffer` is a `struct timex`; gives the state of the clock. */
export const adjtimex = define<[buffer: Address], number>(
  "adjtimex",
  [inout(unknown, "buffer")],
  between(0, 5),
);

/** clock_adjtime(2): `buffer` is a `struct timex`; gives the state of the clock. */
export const clockAdjtime = define<[clock: number, buffer: Address], number>(
  "clock_adjtime",
  [oneOf("CLOCK_", CLOCK, "clock"), inout(unknown, "buffer")],
  between(0, 5),
);
