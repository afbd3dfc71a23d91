import { call } from "../call.ts";
import type { Fd } from "../identifiers.ts";
import type { SyscallInterface, Word } from "../SyscallInterface.ts";

/** ioctl(2). What the argument and the result are depends on the request. */
export const ioctl = (sysif: SyscallInterface, fd: Fd, request: number, argument: Word = 0) =>
  call(sysif, "ioctl", `fd ${fd}`, fd, request, argument);
