import type { SyscallName } from "@rsyscall/abi";
import { definitionOf } from "./definitions.ts";
import { Syscall } from "./Syscall.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/**
 * Makes a system call by its name. Results in the error range become a SyscallError that names the
 * call and its subject; a call that the task's machine does not have is `ENOSYS`. Words that the kernel
 * would take for others (NaN, 1.5, 2^32 + 1 as a pid), or whose first is missing, are `EINVAL`, and nothing is sent; a result that no
 * kernel gives is `EPROTO`, and one that no number holds exactly `EOVERFLOW`.
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
  new Syscall(sysif, definitionOf(name), subject, undefined, undefined, a, b, c, d, e, f);

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
  new Syscall(sysif, definitionOf(name), subject, nothing, undefined, a, b, c, d, e, f);

const nothing = (): void => {};
