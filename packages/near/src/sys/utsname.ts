import { callVoid } from "../call.ts";
import type { Address } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** uname(2) */
export const uname = (sysif: SyscallInterface, buffer: Address) =>
  callVoid(sysif, "uname", undefined, buffer);
