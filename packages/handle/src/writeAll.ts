import { impossible, type SyscallError } from "@rsyscall/near";
import { Effect } from "effect";

/**
 * Repeats a call that writes until all is written.
 *
 * @param size bytes in all
 * @param write writes the rest after `done` bytes, and returns how many bytes were written
 * @param nothing the error of a call that writes no byte: to repeat it would never end
 */
export const writeAll = <E, E2>(
  size: number,
  write: (done: number) => Effect.Effect<number, E>,
  nothing: () => E2,
): Effect.Effect<void, E | E2> => {
  const writeFrom = (done: number): Effect.Effect<void, E | E2> =>
    done < size
      ? Effect.flatMap(write(done), (count) =>
          count > 0 ? writeFrom(done + count) : Effect.fail(nothing()),
        )
      : Effect.void;
  return writeFrom(0);
};

/** The error of a call of a task that writes nothing: EPROTO, because no kernel does so. */
export const nothingWritten = (syscall: string, subject: string) => (): SyscallError =>
  impossible(syscall, subject, "nothing is written");
