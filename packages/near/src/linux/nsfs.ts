import { Uint64 } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, input, output, size } from "../kinds.ts";
import { array, unknown } from "../Memory.ts";
import { countOf } from "../Result.ts";

/** listns(2): gives the number of 64-bit namespace ids. `request` is a `struct ns_id_req`. Since Linux 6.19. */
export const listns = define<
  [request: Address, ids: Address, count: number, flags: number],
  number
>(
  "listns",
  [input(unknown, "request"), output(array(Uint64, 2), "ids"), size.as("count"), flags()],
  countOf(2),
);
