import { ChildSiginfo, P, W } from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, NULL } from "../identifiers.ts";
import { flags, int, oneOf, output } from "../kinds.ts";
import { unknown, value } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** waitid(2): writes a siginfo_t. Blocks unless W.NOHANG is among the options. */
export const waitid = define<
  [type: number, id: number, info: Address, options: number, usage?: Address],
  void
>(
  "waitid",
  [
    oneOf("P_", P, "type"),
    int.as("id"),
    output(value(ChildSiginfo), "info"),
    flags("W", W).as("options"),
    output(unknown, "usage").or(NULL),
  ],
  nothing,
);
