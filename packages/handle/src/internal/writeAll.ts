import { impossible, type Syscall, type SyscallFailure } from "@rsyscall/near";
import { Effect } from "effect";

/**
 * Repeats a call that writes until all is written. A task that writes nothing, again and again, would hold us
 * for ever: EPROTO, because no kernel does so.
 *
 * @param write writes what is left, once so many bytes are done
 */
export const writeAll = (
  size: number,
  write: (done: number) => Syscall<number>,
): Effect.Effect<void, SyscallFailure> => {
  const writeFrom = (done: number): Effect.Effect<void, SyscallFailure> => {
    const call = write(done);
    return Effect.flatMap(call, (count) => {
      if (count === 0)
        return Effect.fail(impossible(call.name, call.subject, "nothing is written"));
      return done + count < size ? writeFrom(done + count) : Effect.void;
    });
  };
  return writeFrom(0);
};
