import { Uint32 } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, inout, input, output, uint } from "../kinds.ts";
import { bytes, value } from "../Memory.ts";
import { between, nothing } from "../Result.ts";

/** lsm_get_self_attr(2): gives the number of `struct lsm_ctx`s; `length` points to a 32-bit size. Since Linux 6.8. */
export const lsmGetSelfAttr = define<
  [attribute: number, contexts: Address, length: Address, flags: number],
  number
>(
  "lsm_get_self_attr",
  [
    uint.as("attribute"),
    output(bytes({ at: 2 }), "contexts"),
    inout(value(Uint32), "length"),
    flags(),
  ],
  between(0, 2 ** 31 - 1),
);

/** lsm_set_self_attr(2): a `struct lsm_ctx`. Since Linux 6.8. */
export const lsmSetSelfAttr = define<
  [attribute: number, context: Address, length: number, flags: number],
  void
>(
  "lsm_set_self_attr",
  [uint.as("attribute"), input(bytes(2), "context"), uint.as("length"), flags()],
  nothing,
);

/** lsm_list_modules(2): gives the number of 64-bit ids; `length` points to a 32-bit size. Since Linux 6.8. */
export const lsmListModules = define<[ids: Address, length: Address, flags: number], number>(
  "lsm_list_modules",
  [output(bytes({ at: 1 }), "ids"), inout(value(Uint32), "length"), flags()],
  between(0, 2 ** 31 - 1),
);
