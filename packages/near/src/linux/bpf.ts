import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { inout, int, uint } from "../kinds.ts";
import { bytes } from "../Memory.ts";
import { between } from "../Result.ts";

/** bpf(2): the meaning of `attributes` and of the result depends on the command. */
export const bpf = define<[command: number, attributes: Address, length: number], number>(
  "bpf",
  [int.as("command"), inout(bytes(2), "attributes"), uint.as("length")],
  between(0, 2 ** 31 - 1),
);
