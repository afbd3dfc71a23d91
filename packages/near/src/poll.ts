import { call } from "./call.ts";
import type { Address } from "./identifiers.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/** ppoll(2) without a signal mask: how many of the descriptors have events. */
export const ppoll = (sysif: SyscallInterface, fds: Address, count: number, timeout: Address) =>
  call(sysif, "ppoll", undefined, fds, count, timeout, 0, 0);
