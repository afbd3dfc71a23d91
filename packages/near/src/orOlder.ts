import type { SyscallName } from "@rsyscall/abi";
import { Effect } from "effect";
import { catchErrno, type SyscallError, type SyscallFailure } from "./errors.ts";
import { Syscall } from "./Syscall.ts";
import { unknownCall } from "./SyscallDefinition.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/**
 * Makes a newer system call, and falls back to older ones if it is not available: a kernel that does not know it
 * gives ENOSYS, and a seccomp profile that is older than the call gives ENOSYS or EPERM.
 *
 * An EPERM of the kernel is not replaced. A probe tells the two apart: the same call with -1 for all descriptors,
 * addresses and flags. The kernel refuses the probe with EINVAL, EBADF or EFAULT, the profile with EPERM.
 *
 * @param name the name of the newer call
 * @param older makes the older calls; it gets the refusal, to fail with it if no older call does the same
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
