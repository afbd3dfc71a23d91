import { Effect } from "effect";
import { call } from "../call.ts";
import type { Address } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** capget(2) */
export const capget = (sysif: SyscallInterface, header: Address, data: Address, subject?: string) =>
  Effect.asVoid(call(sysif, "capget", subject, header, data));

/** capset(2) */
export const capset = (sysif: SyscallInterface, header: Address, data: Address) =>
  Effect.asVoid(call(sysif, "capset", undefined, header, data));
