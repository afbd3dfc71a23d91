import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, inout, oneOf } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { between } from "../Result.ts";

/** seccomp(2). With SECCOMP_FILTER_FLAG_NEW_LISTENER, the result is a descriptor. */
export const seccomp = define<[operation: number, flags: number, argument: Address], number>(
  "seccomp",
  [
    oneOf(
      "SECCOMP_",
      { SET_MODE_STRICT: 0, SET_MODE_FILTER: 1, GET_ACTION_AVAIL: 2, GET_NOTIF_SIZES: 3 },
      "operation",
    ),
    flags("SECCOMP_FILTER_FLAG_", {
      TSYNC: 1,
      LOG: 2,
      SPEC_ALLOW: 4,
      NEW_LISTENER: 8,
      TSYNC_ESRCH: 16,
      WAIT_KILLABLE_RECV: 32,
    }),
    inout(unknown, "argument"),
  ],
  between(0, 2 ** 31 - 1),
);
