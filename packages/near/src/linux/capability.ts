import { CapData, CapHeader } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { inout, input, output } from "../kinds.ts";
import { value } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** capget(2) */
export const capget = define<[header: Address, data: Address], void>(
  "capget",
  [inout(value(CapHeader), "header"), output(value(CapData), "data")],
  nothing,
  { prompt: true },
);

/** capset(2) */
export const capset = define<[header: Address, data: Address], void>(
  "capset",
  [inout(value(CapHeader), "header"), input(value(CapData), "data")],
  nothing,
);
