import { call } from "../call.ts";
import type { SyscallInterface, Word } from "../SyscallInterface.ts";

/** prctl(2). Some operations insist on zeros for what they do not use. */
export const prctl = (
  sysif: SyscallInterface,
  operation: number,
  a: Word = 0,
  b: Word = 0,
  c: Word = 0,
  d: Word = 0,
  subject = `operation ${operation}`,
) => call(sysif, "prctl", subject, operation, a, b, c, d);
