import type { SyscallName } from "@rsyscall/abi";
import { Effect } from "effect";
import { catchErrno, type SyscallError, type SyscallFailure } from "./errors.ts";
import { Syscall } from "./Syscall.ts";
import { unknownCall } from "./SyscallDefinition.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/**
 * Makes a newer system call, and the older ones that do the same where it is refused: a kernel that does not know
 * it says ENOSYS, and a seccomp profile that is older than the call says that or EPERM.
 *
 * An EPERM of the kernel stays what it is. The two are told apart by a call that means nothing, with -1 for all
 * descriptors, addresses and flags: of that the kernel says EINVAL, EBADF or EFAULT, and the profile EPERM again.
 *
 * @param name of the newer call
 * @param older gets the refusal, to fail with it where no older call does the same
 */
export const orOlder =
  <A2, E2, R2>(
    sysif: SyscallInterface,
    name: SyscallName,
    older: (refusal: SyscallError) => Effect.Effect<A2, E2, R2>,
  ) =>
  <A, E, R>(
    newer: Effect.Effect<A, E, R>,
  ): Effect.Effect<A | A2, E | E2 | SyscallFailure, R | R2> =>
    newer.pipe(
      catchErrno(
        ["ENOSYS", "EPERM"],
        (error): Effect.Effect<A2, E2 | SyscallFailure, R2> =>
          Effect.flatMap(
            isRefused(sysif, name, error),
            (itIs): Effect.Effect<A2, E2 | SyscallFailure, R2> =>
              itIs ? older(error) : Effect.fail(error),
          ),
      ),
    );

const isRefused = (
  sysif: SyscallInterface,
  name: SyscallName,
  { errno }: SyscallError,
): Effect.Effect<boolean, SyscallFailure> => {
  if (errno === "ENOSYS") return Effect.succeed(true);
  const definition = unknownCall(name);
  return new Syscall(sysif, definition, -1, -1, -1, -1, -1, -1).pipe(
    Effect.as(false),
    catchErrno(["ENOSYS", "EPERM"], () => Effect.succeed(true)),
    catchErrno(["EINVAL", "EBADF", "EFAULT"], () => Effect.succeed(false)),
  );
};
