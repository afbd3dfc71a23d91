import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, output, size } from "../kinds.ts";
import { bytes } from "../Memory.ts";
import { countOf } from "../Result.ts";

/** getrandom(2). Not prompt: it may wait for entropy. */
export const getrandom = define<[buffer: Address, length: number, flags: number], number>(
  "getrandom",
  [output(bytes(1), "buffer"), size, flags("GRND_", { NONBLOCK: 1, RANDOM: 2, INSECURE: 4 })],
  countOf(1),
  { restarts: true },
);
