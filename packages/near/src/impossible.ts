import { SyscallError } from "./errors.ts";

/**
 * Makes the error for an answer of a task that no kernel gives: EPROTO. The call may have been performed; its
 * effect is unknown.
 *
 * @param what the answer of the task, and the answers that are possible
 */
export const impossible = (
  syscall: string,
  subject: string | undefined,
  what: string,
): SyscallError => SyscallError.of(syscall, "EPROTO", subject, what);
