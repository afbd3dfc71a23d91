import type { SyscallName } from "@rsyscall/abi";
import { Syscall } from "./Syscall.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/**
 * Makes a system call by its name. Results in the error range become a SyscallError that names the
 * call and its subject; a call that the task's machine does not have is `ENOSYS`.
 *
 * @typeParam A what a result is: a number, or one that has a name of its own, such as an Fd
 */
export const call = <A extends number = number>(
  sysif: SyscallInterface,
  name: SyscallName,
  subject: string | undefined,
  a?: Word,
  b?: Word,
  c?: Word,
  d?: Word,
  e?: Word,
  f?: Word,
): Syscall<A> =>
  new Syscall(sysif, name, subject, undefined, sysif.abi.syscallNumber(name), a, b, c, d, e, f);

/** `call`, for one whose result only says that it was done. */
export const callVoid = (
  sysif: SyscallInterface,
  name: SyscallName,
  subject: string | undefined,
  a?: Word,
  b?: Word,
  c?: Word,
  d?: Word,
  e?: Word,
  f?: Word,
): Syscall<void> =>
  new Syscall(sysif, name, subject, nothing, sysif.abi.syscallNumber(name), a, b, c, d, e, f);

const nothing = (): void => {};
