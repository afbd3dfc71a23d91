import { call } from "../call.ts";
import type { Address, Fd } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** memfd_create(2): the name is for /proc only. */
export const memfdCreate = (
  sysif: SyscallInterface,
  name: Address,
  flags: number,
  subject?: string,
) => call<Fd>(sysif, "memfd_create", subject, name, flags);
