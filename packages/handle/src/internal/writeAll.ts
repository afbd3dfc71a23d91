import { impossible, type SyscallError } from "@rsyscall/near";
import { Effect } from "effect";

/**
 * Repeats a call that writes until all is written. A task that writes nothing, again and again, would hold us
 * for ever: EPROTO, because no kernel does so.
 *
 * @param syscall what is repeated, and `subject`, what it is about: for errors
 * @param size bytes in all
 * @param write writes what is left, once so many bytes are done, and gives how many were written
 */
export const writeAll = <E>(
  syscall: string,
  subject: string,
  size: number,
  write: (done: number) => Effect.Effect<number, E>,
): Effect.Effect<void, E | SyscallError> => {
  const writeFrom = (done: number): Effect.Effect<void, E | SyscallError> =>
    Effect.flatMap(write(done), (count): Effect.Effect<void, E | SyscallError> => {
      if (count === 0) return Effect.fail(impossible(syscall, subject, "nothing is written"));
      return done + count < size ? writeFrom(done + count) : Effect.void;
    });
  return writeFrom(0);
};
