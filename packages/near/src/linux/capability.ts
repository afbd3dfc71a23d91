import { callVoid } from "../call.ts";
import type { Address } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** capget(2) */
export const capget = (sysif: SyscallInterface, header: Address, data: Address, subject?: string) =>
  callVoid(sysif, "capget", subject, header, data);

/** capset(2) */
export const capset = (sysif: SyscallInterface, header: Address, data: Address) =>
  callVoid(sysif, "capset", undefined, header, data);
