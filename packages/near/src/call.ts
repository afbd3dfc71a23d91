import type { SyscallName } from "@rsyscall/abi";
import { definitions } from "./define.ts";
import { Syscall } from "./Syscall.ts";
import { unknownCall } from "./SyscallDefinition.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/**
 * Makes a system call by its name, with the words that the kernel takes, and gives the number that the kernel
 * returns. If the call is defined, its words and result are checked as by its function. Otherwise the words must be
 * integers of 64 bits, and words that are not given are 0. ENOSYS if the task's machine does not have the call.
 *
 * @typeParam A the type of the result: a number, or a branded one such as an Fd
 */
export const call = <A extends number = number>(
  sysif: SyscallInterface,
  name: SyscallName,
  ...words: ReadonlyArray<Word>
): Syscall<A> => {
  const definition = definitions.get(name) ?? unknownCall(name);
  const all = definition.complete(words);
  return new Syscall<A>(sysif, definition.variant(...all).undecoded, ...all);
};
