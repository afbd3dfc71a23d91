import { call } from "../call.ts";
import { type Fd, NULL } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** sendfile(2), from where the offset of the open file is, which moves on. Gives how many bytes. */
export const sendfile = (sysif: SyscallInterface, to: Fd, from: Fd, length: number) =>
  call(sysif, "sendfile", `fd ${to}`, to, from, NULL, length);
