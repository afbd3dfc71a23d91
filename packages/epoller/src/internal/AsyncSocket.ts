import { EPOLL, MSG, SO_TYPE, SOCK, type Sockaddr } from "@rsyscall/abi";
import {
  type BorrowFailure,
  FileDescriptor,
  type IoFailure,
  inPieces,
  type MallocFailure,
  type MessageRoom,
  pollNow,
  type ReceivedMessage,
  Socket,
} from "@rsyscall/handle";
import { catchErrno, Fd, NULL, SyscallError, withFlags } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { AsyncParts } from "./AsyncParts.ts";
import { readOnce } from "./asyncReads.ts";
import type { Kept } from "./Kept.ts";
import { plain } from "./KeptBytes.ts";

/** What is made of an accepted connection, before its fiber can be interrupted. */
interface Accepting<A> {
  readonly use: (socket: Socket) => Effect.Effect<A, MallocFailure | BorrowFailure, Scope.Scope>;
  /** Gives back the socket, for the next fiber. */
  readonly giveUp: (accepted: A) => Effect.Effect<Socket>;
}

/** The operations of sockets: see the methods of the same names of `AsyncFileDescriptor`. */
export class AsyncSocket {
  /** Connections that were accepted for fibers that were interrupted. */
  readonly #connections: Array<Socket> = [];
  /** Whether a connect of this object is in progress in the kernel. */
  #isConnecting = false;
  /** Asks for the type of the socket, when something is kept. */
  #type: Effect.Effect<number, IoFailure> | undefined;

  accept<A>(
    parts: AsyncParts<Socket>,
    flags: number,
    { use, giveUp }: Accepting<A>,
  ): Effect.Effect<A, MallocFailure | BorrowFailure, Scope.Scope> {
    const { handle, calls, attempts } = parts;
    const { task } = handle;
    const accepted = Effect.flatMap(
      calls.call("accept4", NULL, NULL, withFlags(flags, SOCK.CLOEXEC), 2 ** 31 - 1),
      (fd): Effect.Effect<A | "EAGAIN", MallocFailure | BorrowFailure, Scope.Scope> =>
        fd === "EAGAIN"
          ? Effect.succeed(fd)
          : Effect.flatMap(FileDescriptor.acquire(Socket, task, Effect.succeed(Fd(fd))), use),
    );
    const connections = this.#connections;
    const kept: Kept<A, MallocFailure | BorrowFailure, Scope.Scope> = {
      get isEmpty() {
        return connections.length === 0;
      },
      take: () =>
        Effect.suspend(() => Effect.flatMap((connections.shift() as Socket).move(task), use)),
      putBack: (given) =>
        Effect.flatMap(giveUp(given), (socket) =>
          Effect.map(parts.own(socket), (own) => void connections.unshift(own)),
        ),
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
    const kept: Kept<Uint8Array, IoFailure> =
      (flags & MSG.PEEK) === 0
        ? {
            get isEmpty() {
              return bytes.isEmpty;
            },
            take: bytes.take,
            putBack: (part) => this.#keep(parts, plain(part)),
          }
        : {
            get isEmpty() {
              return bytes.isEmpty;
            },
            take: () => Effect.sync(() => bytes.peek(size)),
            putBack: () => Effect.void,
          };
    return attempts.take(kept, size, readOnce(parts, "recvfrom", size, flags), undefined);
  }

  /** Keeps what was received for a fiber that was interrupted. */
  #keep(
    { handle, bytes }: AsyncParts<Socket>,
    part: ReceivedMessage,
  ): Effect.Effect<void, IoFailure> {
    this.#type ??= handle.getOption(SO_TYPE);
    return Effect.map(this.#type, (type) =>
      bytes.putBackReceived({ ...part, isWhole: type !== SOCK.STREAM }),
    );
  }

  receive(
    parts: AsyncParts<Socket>,
    room: MessageRoom,
  ): Effect.Effect<ReceivedMessage, MallocFailure | BorrowFailure, Scope.Scope> {
    const { handle, bytes, attempts } = parts;
    const kept: Kept<ReceivedMessage, MallocFailure | BorrowFailure, Scope.Scope> = {
      get isEmpty() {
        return bytes.isEmpty;
      },
      take: () => takeKept(parts, room),
      putBack: (message) => this.#keepMessage(parts, message),
    };
    const receive = orEagain(handle.receiveMessage(room, MSG.DONTWAIT));
    return attempts.take(kept, 1, receive, undefined);
  }

  receiveSeveral(
    parts: AsyncParts<Socket>,
    rooms: ReadonlyArray<MessageRoom>,
  ): Effect.Effect<ReadonlyArray<ReceivedMessage>, MallocFailure | BorrowFailure, Scope.Scope> {
    const { handle, bytes, attempts } = parts;
    const kept: Kept<ReadonlyArray<ReceivedMessage>, MallocFailure | BorrowFailure, Scope.Scope> = {
      get isEmpty() {
        return bytes.isEmpty || rooms.length === 0;
      },
      take: () => Effect.map(takeKept(parts, rooms[0] as MessageRoom), (message) => [message]),
      putBack: (messages) =>
        Effect.forEach(messages.toReversed(), (message) => this.#keepMessage(parts, message), {
          discard: true,
        }),
    };
    const receive = orEagain(handle.receiveMessages(rooms, MSG.DONTWAIT));
    return attempts.take(kept, 1, receive, undefined);
  }

  #keepMessage(
    parts: AsyncParts<Socket>,
    message: ReceivedMessage,
  ): Effect.Effect<void, IoFailure | BorrowFailure> {
    const { fds, pidfd } = message;
    return Effect.flatMap(
      Effect.forEach(fds, (fd) => parts.own(fd)),
      (fds) =>
        Effect.flatMap(pidfd === undefined ? Effect.undefined : parts.own(pidfd), (pidfd) =>
          this.#keep(parts, { ...message, fds, pidfd }),
        ),
    );
  }

  send<A>(
    { handle, attempts }: AsyncParts<Socket>,
    send: Effect.Effect<A, MallocFailure | BorrowFailure>,
    addresses: ReadonlyArray<Sockaddr | Uint8Array | undefined>,
  ): Effect.Effect<A, MallocFailure | BorrowFailure> {
    const mayBeFull = addresses.some(
      (address) => address instanceof Uint8Array || address?.family === "unix",
    );
    const attempt = mayBeFull
      ? send.pipe(
          catchErrno("EAGAIN", (error) =>
            Effect.flatMap(pollNow(handle, EPOLL.OUT), (events) =>
              // The socket itself has room: that of the address has none, and no event tells when it has.
              events === 0 ? Effect.succeed("EAGAIN" as const) : Effect.fail(error),
            ),
          ),
        )
      : orEagain(send);
    return attempts.await(EPOLL.OUT, attempt);
  }
}

/** Takes the next kept message, or as much of it as there is room for. */
const takeKept = (
  { handle: { task }, bytes }: AsyncParts<Socket>,
  { size = 65536, fds: mostFds = 0 }: MessageRoom,
): Effect.Effect<ReceivedMessage, BorrowFailure, Scope.Scope> =>
  Effect.suspend(() => {
    const sizes = typeof size === "number" ? [size] : size;
    const { isWhole: _, ...part } = bytes.takeReceived(sizes.reduce((sum, each) => sum + each, 0));
    const further = part.fds.slice(mostFds);
    const flags = part.flags | (further.length > 0 ? MSG.CTRUNC : 0);
    const pidfd = part.pidfd === undefined ? Effect.undefined : part.pidfd.move(task);
    return Effect.andThen(
      Effect.forEach(further, (fd) => fd.release(), { discard: true }),
      Effect.flatMap(
        Effect.forEach(part.fds.slice(0, mostFds), (fd) => fd.move(task)),
        (fds) =>
          Effect.map(pidfd, (pidfd) => ({
            ...part,
            pieces: inPieces(part.bytes, sizes),
            fds,
            pidfd,
            flags,
          })),
      ),
    );
  });

/** As the operation, but with a value in place of the error that stands for waiting. */
const orEagain = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A | "EAGAIN", E, R> =>
  call.pipe(catchErrno("EAGAIN", () => Effect.succeed("EAGAIN" as const))) as Effect.Effect<
    A | "EAGAIN",
    E,
    R
  >;
