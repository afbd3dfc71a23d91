import { MSG, Uint32 } from "@rsyscall/abi";
import type { FileDescriptor, HandleFailure, Socket } from "@rsyscall/handle";
import { SyscallError } from "@rsyscall/near";
import { Effect, Exit, Scope } from "effect";

/**
 * Takes the message with an id, and the descriptors that come with it. Those before it were sent and never
 * taken, for want of memory: they are dropped.
 */
export const receivePassed = (
  socket: Socket,
  id: number,
  count: number,
): Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope> =>
  Effect.flatMap(socket.receiveFds(Uint32.size, count, MSG.WAITALL), ({ bytes, fds }) => {
    if (bytes.length === Uint32.size && Uint32.decode(bytes) !== id)
      return Effect.andThen(
        Effect.forEach(fds, (fd) => fd.release, { discard: true }),
        receivePassed(socket, id, count),
      );
    // The kernel drops those for which RLIMIT_NOFILE leaves no number, and calls it a success.
    return fds.length === count
      ? Effect.succeed(fds)
      : Effect.fail(SyscallError.of("recvmsg", "EMFILE", `${fds.length} of ${count} descriptors`));
  });

/** What is acquired belongs to the scope, unless not all of it can be had: then it is given back. */
export const allOrNothing = <A, E>(
  acquire: Effect.Effect<A, E, Scope.Scope>,
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope);
    return yield* acquire.pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void)),
    );
  });
