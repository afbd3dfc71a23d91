import { callVoid } from "../call.ts";
import type { Address } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** waitid(2): writes a siginfo_t. Blocks unless W.NOHANG is among the options. */
export const waitid = (
  sysif: SyscallInterface,
  type: number,
  id: number,
  info: Address,
  options: number,
  subject?: string,
) => callVoid(sysif, "waitid", subject, type, id, info, options, 0);
