import { Effect } from "effect";
import { call } from "../call.ts";
import type { Address } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** uname(2) */
export const uname = (sysif: SyscallInterface, buffer: Address) =>
  Effect.asVoid(call(sysif, "uname", undefined, buffer));
