import { SECCOMP, SECCOMP_FILTER_FLAG } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, inout, oneOf } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { between } from "../Result.ts";

/** seccomp(2). With SECCOMP_FILTER_FLAG_NEW_LISTENER, the result is a descriptor. */
export const seccomp = define<[operation: number, flags: number, argument: Address], number>(
  "seccomp",
  [
    oneOf("SECCOMP_", SECCOMP, "operation"),
    flags("SECCOMP_FILTER_FLAG_", SECCOMP_FILTER_FLAG),
    inout(unknown, "argument"),
  ],
  between(0, 2 ** 31 - 1),
);
