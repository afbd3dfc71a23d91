import type { SyscallName } from "@rsyscall/abi";
import { Effect } from "effect";
import { SyscallError, type SyscallFailure } from "./errors.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/** The kernel's results from -4095 to -1 are errnos. */
export const isError = (result: Word): result is number =>
  typeof result === "number" && result < 0 && result >= -4095;

/**
 * Makes a system call by its name. Results in the error range become a {@link SyscallError} that
 * names the call and its subject; a call that the task's machine does not have is `ENOSYS`.
 */
export const call = (
  sysif: SyscallInterface,
  name: SyscallName,
  subject: string | undefined,
  a?: Word,
  b?: Word,
  c?: Word,
  d?: Word,
  e?: Word,
  f?: Word,
): Effect.Effect<number, SyscallFailure> => {
  const number = sysif.abi.syscallNumber(name);
  if (number === undefined) return Effect.fail(SyscallError.of(name, "ENOSYS", subject));
  return Effect.flatMap(sysif.syscall(number, a, b, c, d, e, f), (result) => {
    if (isError(result)) return Effect.fail(SyscallError.from(name, result, subject));
    return typeof result === "number"
      ? Effect.succeed(result)
      : Effect.die(new RangeError(`${name} returned ${result}, which no number holds exactly`));
  });
};
