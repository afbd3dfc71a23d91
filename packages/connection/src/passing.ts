import { Uint32 } from "@rsyscall/abi";
import type { FileDescriptor, HandleFailure, Socket, Task } from "@rsyscall/handle";
import { SyscallError, SyscallHangup, SyscallSendError } from "@rsyscall/near";
import { Effect, Exit, Scope } from "effect";
import { SyscallConnection } from "./SyscallConnection.ts";

/** The kernel passes at most 253 descriptors in one message (SCM_MAX_FD). */
export const FDS_AT_MOST = 253;

/** A message that passes descriptors: what is known before it comes. */
export interface Passed {
  /** The task at the far end. If it breaks the protocol, its connection is closed. */
  readonly peer: Task;
  /** The number of the message: later ones have higher numbers. */
  readonly id: number;
  /** How many descriptors come with it. */
  readonly count: number;
  /** Of recvmsg(2): MSG.DONTWAIT if it must be there already. */
  readonly flags: number;
}

/**
 * Takes a message, and the descriptors that come with it. Earlier messages that could not be taken, for want of
 * memory, are dropped.
 *
 * Hangs up on a peer that sends anything else, or whose message is not there although it was sent.
 */
export const receivePassed = (
  socket: Socket,
  passed: Passed,
): Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope> => {
  const { peer, id, count, flags } = passed;
  const receiveAfter = (
    last: number,
  ): Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope> =>
    Effect.flatMap(
      // With room for all: the kernel closes further ones in the middle of our call, and that may block.
      Effect.flatMap(socket.receiveFds(Uint32.size, FDS_AT_MOST, flags), ({ bytes, fds }) =>
        Effect.as(
          Effect.forEach(fds.slice(count), (fd) => fd.release(), { discard: true }),
          { bytes, fds: fds.slice(0, count) },
        ),
      ),
      ({
        bytes,
        fds,
      }): Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope> => {
        if (bytes.length < Uint32.size)
          return endWith(peer, "recvmsg", `a message of ${bytes.length} bytes passes descriptors`);
        const found = Uint32.decode(bytes);
        if (found <= last || found > id)
          return endWith(peer, "recvmsg", `message ${found} came in place of ${id}`);
        if (found < id)
          return Effect.andThen(
            Effect.forEach(fds, (fd) => fd.release(), { discard: true }),
            receiveAfter(found),
          );
        // The kernel drops descriptors for which RLIMIT_NOFILE leaves no number, and calls it a success; the far
        // side of a stream passes none if it has room for none.
        return fds.length === count
          ? Effect.succeed(fds)
          : Effect.fail(
              SyscallError.of("recvmsg", "EMFILE", `${fds.length} of ${count} descriptors`),
            );
      },
    );
  return Effect.catchIf(receiveAfter(0), isEagain, () =>
    endWith(peer, "recvmsg", `message ${id} is not there, though it was sent`),
  );
};

/** Whether a call with MSG.DONTWAIT would have had to wait. */
export const isEagain = (error: HandleFailure): boolean =>
  error instanceof SyscallError && error.errno === "EAGAIN";

/** Hangs up on a task that breaks the protocol, and fails with the problem. */
export const endWith = (
  { sysif }: Task,
  syscall: string,
  problem: string,
): Effect.Effect<never, SyscallHangup> =>
  Effect.suspend(() => {
    const cause = new Error(problem);
    SyscallConnection.of(sysif)?.fail(cause);
    return Effect.fail(new SyscallHangup({ syscall, cause }));
  });

/**
 * The error of descriptors that cannot be sent to a task, because its end of the socket is closed. That tells less
 * than its answer to a call: mostly it has ended, and one that goes on does not keep to the protocol.
 */
export const takesNone = (
  peer: Task,
  cause: SyscallError,
): Effect.Effect<never, SyscallSendError | SyscallHangup> =>
  Effect.matchEffect(peer.sysif.barrier(), {
    onSuccess: () =>
      endWith(peer, "sendmsg", "the task has closed the socket that passes descriptors"),
    onFailure: ({ describe }) =>
      Effect.fail(new SyscallSendError({ syscall: "sendmsg", cause, describe })),
  });

/** What is acquired belongs to the scope. If acquiring fails half way, the first half is given back at once. */
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
