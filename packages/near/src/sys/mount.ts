import { callVoid } from "../call.ts";
import type { Address } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** mount(2). What a kind of mount has no use for may be NULL. */
export const mount = (
  sysif: SyscallInterface,
  source: Address,
  target: Address,
  type: Address,
  flags: number,
  data: Address,
  subject?: string,
) => callVoid(sysif, "mount", subject, source, target, type, flags, data);

/** umount2(2) */
export const umount2 = (
  sysif: SyscallInterface,
  target: Address,
  flags: number,
  subject?: string,
) => callVoid(sysif, "umount2", subject, target, flags);
