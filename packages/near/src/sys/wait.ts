import { ChildSiginfo, Int32, P, W } from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, NULL, type Pid, type PidLike } from "../identifiers.ts";
import { flags, int, oneOf, output, pid } from "../kinds.ts";
import { unknown, value } from "../Memory.ts";
import { nothing, somePid } from "../Result.ts";

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
  { restarts: true },
);

/** wait4(2): gives the pid and writes its 32-bit status; 0 if W.NOHANG is among the options and no child has ended. */
export const wait4 = define<[pid: PidLike, status: Address, options: number, usage?: Address], Pid>(
  "wait4",
  [
    pid,
    output(value(Int32), "status"),
    flags("W", W).as("options"),
    output(unknown, "usage").or(NULL),
  ],
  somePid,
  { restarts: true },
);
