import { impossible, SyscallError } from "@rsyscall/near";
import { Effect } from "effect";

/*
 * Most integers reach the kernel as 32 bits, and what does not fit is cut: without a check, 2^32
 * would be root's id, and 2^32 - 1 the pid -1, which is every process.
 */

/** Whether the kernel takes the number for what it is, as an int. */
export const isInt = (value: number): boolean =>
  Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31;

/** Whether it is a set of flags of 32 bits, which JavaScript's operators may have made a negative number. */
export const isFlags = (value: number): boolean =>
  Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32;

/** Whether it is the number of a descriptor. */
export const isFd = (value: number): boolean => isInt(value) && value >= 0;

/** Whether it is a user or group id. -1 is none: it means "no change", and so does 2^32 - 1. */
export const isId = (value: number): boolean =>
  Number.isInteger(value) && value >= 0 && value < 2 ** 32 - 1;

const invalid = (
  syscall: string,
  subject: string | undefined,
  explanation?: string,
): SyscallError => SyscallError.of(syscall, "EINVAL", subject, explanation);

/** The call; EINVAL if the kernel would misread what it is given. */
export const checked = <A, E, R>(
  isValid: boolean,
  syscall: string,
  subject: string | undefined,
  call: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | SyscallError, R> =>
  isValid ? call : Effect.fail(invalid(syscall, subject));

/** The bytes; EINVAL for a value that the C type cannot have. */
export const encoded = (
  syscall: string,
  subject: string | undefined,
  bytes: () => Uint8Array,
): Effect.Effect<Uint8Array, SyscallError> =>
  Effect.try({ try: bytes, catch: (error) => invalid(syscall, subject, (error as Error).message) });

/** How many bytes a call says it has filled in: EPROTO for what no kernel says, but a task that lies might. */
export const checkedCount = <E, R>(
  syscall: string,
  call: Effect.Effect<number, E, R>,
  size: number,
): Effect.Effect<number, E | SyscallError, R> =>
  Effect.flatMap(call, (count) =>
    count >= 0 && count <= size
      ? Effect.succeed(count)
      : Effect.fail(impossible(syscall, undefined, `${count} of ${size} bytes`)),
  );
