import { call } from "./call.ts";
import type { Address, Fd } from "./identifiers.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/** getdents64(2): gives how many bytes of entries it wrote, 0 at the end. */
export const getdents = (sysif: SyscallInterface, fd: Fd, buffer: Address, length: number) =>
  call(sysif, "getdents64", `fd ${fd}`, fd, buffer, length);
