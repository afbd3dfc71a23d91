import { TIOC } from "@rsyscall/abi";
import { definitionOf, ioctlOpening } from "../definitions.ts";
import type { Fd } from "../identifiers.ts";
import { Syscall } from "../Syscall.ts";
import type { SyscallInterface, Word } from "../SyscallInterface.ts";

/** ioctl(2). What the argument and the result are depends on the request. */
export const ioctl = (sysif: SyscallInterface, fd: Fd, request: number, argument: Word = 0) =>
  new Syscall<number>(
    sysif,
    request === TIOC.GPTPEER ? ioctlOpening : definitionOf("ioctl"),
    `fd ${fd}`,
    undefined,
    undefined,
    fd,
    request,
    argument,
  );
