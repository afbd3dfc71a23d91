import { EPOLL, MSG, SOCK, type Sockaddr } from "@rsyscall/abi";
import {
  type BorrowFailure,
  FileDescriptor,
  type IoFailure,
  type MallocFailure,
  type Received,
  Socket,
} from "@rsyscall/handle";
import { catchErrno, Fd, NULL, SyscallError, withFlags } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { AsyncParts } from "./AsyncParts.ts";
import { readOnce } from "./asyncReads.ts";
import type { Kept } from "./Kept.ts";

/** The operations of sockets: see the methods of the same names of `AsyncFileDescriptor`. */
export class AsyncSocket {
  /** Connections that were accepted for fibers that were interrupted. */
  readonly #connections: Array<Socket> = [];
  /** Whether a connect of this object is in progress in the kernel. */
  #isConnecting = false;

  accept(
    parts: AsyncParts<Socket>,
    flags: number,
  ): Effect.Effect<Socket, MallocFailure | BorrowFailure, Scope.Scope> {
    const { handle, calls, attempts } = parts;
    const { task } = handle;
    const accepted = Effect.flatMap(
      calls.call("accept4", NULL, NULL, withFlags(flags, SOCK.CLOEXEC), 2 ** 31 - 1),
      (fd): Effect.Effect<Socket | "EAGAIN", MallocFailure | BorrowFailure, Scope.Scope> =>
        fd === "EAGAIN"
          ? Effect.succeed(fd)
          : FileDescriptor.acquire(Socket, task, Effect.succeed(Fd(fd))),
    );
    const connections = this.#connections;
    const kept: Kept<Socket, MallocFailure | BorrowFailure, Scope.Scope> = {
      get isEmpty() {
        return connections.length === 0;
      },
      take: () => Effect.suspend(() => (connections.shift() as Socket).move(task)),
      putBack: (socket) => Effect.map(parts.own(socket), (own) => void connections.unshift(own)),
    };
    return attempts.take(kept, 1, accepted, undefined);
  }

  connect(
    { handle, attempts }: AsyncParts<Socket>,
    address: Sockaddr | Uint8Array,
  ): Effect.Effect<void, IoFailure> {
    const done = (isConnecting: boolean) =>
      Effect.sync(() => {
        this.#isConnecting = isConnecting;
      });
    return Effect.uninterruptibleMask((restore) => {
      // An event may be from before the attempt. Another connect(2) gives the result of the attempt.
      const attempt: Effect.Effect<void, IoFailure> = Effect.suspend(() => {
        const edges = attempts.readiness.edges(EPOLL.OUT);
        return Effect.matchEffect(handle.connect(address), {
          onSuccess: () => done(false),
          onFailure: (error): Effect.Effect<void, IoFailure> => {
            const errno = error instanceof SyscallError ? error.errno : undefined;
            if (errno === "EINPROGRESS" || errno === "EALREADY")
              return Effect.andThen(
                done(true),
                Effect.andThen(attempts.waitAfter(EPOLL.OUT, edges, restore), attempt),
              );
            const wasConnecting = this.#isConnecting;
            return Effect.andThen(
              done(false),
              wasConnecting && errno === "EISCONN" ? Effect.void : Effect.fail(error),
            );
          },
        });
      });
      return attempt;
    });
  }

  recvBytes(
    parts: AsyncParts<Socket>,
    size: number,
    flags: number,
  ): Effect.Effect<Uint8Array, IoFailure> {
    const { bytes, attempts } = parts;
    const kept: Kept<Uint8Array> =
      (flags & MSG.PEEK) === 0
        ? bytes
        : {
            get isEmpty() {
              return bytes.isEmpty;
            },
            take: () => Effect.sync(() => bytes.peek(size)),
            putBack: () => Effect.void,
          };
    return attempts.take(kept, size, readOnce(parts, "recvfrom", size, flags), undefined);
  }

  receiveFds(
    parts: AsyncParts<Socket>,
    size: number,
    mostFds: number,
  ): Effect.Effect<Received, MallocFailure | BorrowFailure, Scope.Scope> {
    const { handle, bytes, attempts } = parts;
    const receive = handle
      .receiveFds(size, mostFds, MSG.DONTWAIT)
      .pipe(catchErrno("EAGAIN", () => Effect.succeed("EAGAIN" as const)));
    const kept: Kept<Received, MallocFailure | BorrowFailure, Scope.Scope> = {
      get isEmpty() {
        return bytes.isEmpty;
      },
      take: () =>
        Effect.suspend(() => {
          const part = bytes.takeReceived(size);
          const further = part.fds.slice(mostFds);
          const flags = part.flags | (further.length > 0 ? MSG.CTRUNC : 0);
          return Effect.map(
            Effect.andThen(
              Effect.forEach(further, (fd) => fd.release(), { discard: true }),
              Effect.forEach(part.fds.slice(0, mostFds), (fd) => fd.move(handle.task)),
            ),
            (fds) => ({ ...part, fds, flags }),
          );
        }),
      putBack: (part) =>
        Effect.map(
          Effect.forEach(part.fds, (fd) => parts.own(fd)),
          (fds) => bytes.putBackReceived({ ...part, fds }),
        ),
    };
    return attempts.take(kept, size, receive, undefined);
  }
}
