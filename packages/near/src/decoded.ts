import { UnsafeIntegerError } from "@rsyscall/abi";
import { Exit } from "effect";
import { SyscallError } from "./errors.ts";
import { impossible } from "./impossible.ts";

/**
 * What the bytes mean that a task has answered with. It may lie, and so `decode` may throw: EPROTO for what
 * no kernel writes, and EOVERFLOW for a number that the kernel can have and no JavaScript number holds exactly,
 * as stat(2) has it for programs that are too small for a file.
 *
 * @param subject what the call was about: a function is only called for an error
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
