import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { output } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** sysinfo(2): a `struct sysinfo`. */
export const sysinfo = define<[buffer: Address], void>(
  "sysinfo",
  [output(unknown, "buffer")],
  nothing,
  { prompt: true },
);
