import { Utsname } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { output } from "../kinds.ts";
import { value } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** uname(2) */
export const uname = define<[buffer: Address], void>(
  "uname",
  [output(value(Utsname), "buffer")],
  nothing,
  { prompt: true },
);
