import { call, callVoid } from "../call.ts";
import type { Address } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** futex(2): what the arguments mean depends on the operation. */
export const futex = (
  sysif: SyscallInterface,
  word: Address,
  operation: number,
  value: number,
  timeout: Address | number,
  word2: Address | number = 0,
  value3 = 0,
) => call(sysif, "futex", undefined, word, operation, value, timeout, word2, value3);

/** set_robust_list(2): the head of the calling task's list, and its size. */
export const setRobustList = (sysif: SyscallInterface, head: Address, length: number) =>
  callVoid(sysif, "set_robust_list", undefined, head, length);
