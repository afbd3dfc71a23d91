import { SyscallError } from "./errors.ts";

/**
 * A task has answered what no kernel does: EPROTO. The call may have been performed, and nothing is known
 * of what it did.
 *
 * @param what what the task says, and what it could have said
 */
export const impossible = (
  syscall: string,
  subject: string | undefined,
  what: string,
): SyscallError => SyscallError.of(syscall, "EPROTO", subject, what);
