import { UnsafeIntegerError } from "@rsyscall/abi";
import { Exit } from "effect";
import { SyscallError } from "./errors.ts";
import { impossible } from "./impossible.ts";

/**
 * Decodes the bytes of a task's answer. The task may lie, so `decode` may throw. The error is EPROTO for bytes that
 * no kernel writes, and EOVERFLOW for a number that no JavaScript number holds exactly, as stat(2) fails in a
 * program whose types are too small for the file.
 *
 * @param subject the subject of the call; a function is only called for an error
 */
export const decoded = <A>(
  syscall: string,
  subject: string | undefined | (() => string | undefined),
  decode: () => A,
): Exit.Exit<A, SyscallError> => {
  try {
    return Exit.succeed(decode());
  } catch (error) {
    const text = typeof subject === "function" ? subject() : subject;
    const remark = error instanceof Error ? error.message : String(error);
    return Exit.fail(
      error instanceof UnsafeIntegerError
        ? SyscallError.of(syscall, "EOVERFLOW", text, remark)
        : impossible(syscall, text, remark),
    );
  }
};
