import { EPOLL, MSG, SOCK, type Sockaddr } from "@rsyscall/abi";
import {
  type BorrowFailure,
  type FileDescriptor,
  type IoFailure,
  type MallocFailure,
  type MessageRoom,
  nothingWritten,
  type OutgoingMessage,
  type Pointer,
  type PtrFailure,
  pollNow,
  type ReadablePointer,
  type Received,
  type ReceivedFrom,
  type ReceivedMessage,
  type Socket,
  writeAll,
} from "@rsyscall/handle";
import { Address, oneLine, withFlags } from "@rsyscall/near";
import { Effect, Exit, Scope, Sink, type Stream } from "effect";
import type { Epoller } from "./Epoller.ts";
import { AsyncParts } from "./internal/AsyncParts.ts";
import { AsyncSocket } from "./internal/AsyncSocket.ts";
import { sendFileAll, spliceAll } from "./internal/asyncCopies.ts";
import { keptInto, readOnce } from "./internal/asyncReads.ts";
import { NonblockingCalls } from "./internal/NonblockingCalls.ts";
import { untilEmpty } from "./internal/streams.ts";

/**
 * A descriptor whose operations wait without blocking their task: other calls of the task go on, and
 * a fiber that waits can be interrupted immediately, without losing a byte. If a call in another process
 * completes after its fiber was interrupted, its result (bytes, a connection, descriptors) is kept for the next
 * operation.
 *
 * @example
 * ```ts
 * import { AF, SOCK } from "@rsyscall/abi";
 * import { Socket } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect, Stream } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const [left, right] = yield* Socket.pair(thread, AF.UNIX, SOCK.STREAM);
 *   const [here, there] = [yield* thread.makeAfd(left), yield* thread.makeAfd(right)];
 *   // 4 MiB, which no socket holds: both fibers take turns.
 *   const [, received] = yield* Effect.all(
 *     [
 *       Effect.andThen(here.writeAllBytes(new Uint8Array(2 ** 22)), here.close()),
 *       Stream.runFold(there.stream(), () => 0, (sum, bytes) => sum + bytes.length),
 *     ],
 *     { concurrency: 2 },
 *   );
 *   console.log(received); // 4194304
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class AsyncFileDescriptor<out A extends FileDescriptor = FileDescriptor> {
  /** The descriptor, for calls that do not wait. */
  readonly handle: A;
  readonly #parts: AsyncParts<A>;
  readonly #asSocket = new AsyncSocket();

  private constructor(parts: AsyncParts<A>) {
    this.handle = parts.handle;
    this.#parts = parts;
  }

  /**
   * Registers a descriptor. It becomes non-blocking if the task has opened it. If other processes share the open
   * file (stdin, a descriptor that came over a socket), its flags are not changed.
   */
  static make<A extends FileDescriptor>(
    epoller: Epoller,
    fd: A,
  ): Effect.Effect<AsyncFileDescriptor<A>, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.uninterruptible(
      Effect.flatMap(Effect.flatMap(Effect.scope, Scope.fork), (scope) =>
        // If epoll refuses the file, its flags are not changed.
        Effect.flatMap(Scope.provide(epoller.register(fd), scope), (readiness) =>
          Effect.map(
            NonblockingCalls.make(fd),
            (calls) =>
              new AsyncFileDescriptor(new AsyncParts(fd, epoller, readiness, calls, scope)),
          ),
        ).pipe(Effect.onError(() => Scope.close(scope, Exit.void))),
      ),
    );
  }

  /** Makes one of a connection that was accepted with SOCK_NONBLOCK. */
  #accepted(socket: Socket): Effect.Effect<AsyncFileDescriptor<Socket>, never, Scope.Scope> {
    const { epoller } = this.#parts;
    return Effect.map(Effect.flatMap(Effect.scope, Scope.fork), (scope) => {
      const { readiness, wait } = epoller.registerLater(socket, scope);
      const calls = NonblockingCalls.ofOpened(socket);
      return new AsyncFileDescriptor(
        new AsyncParts(socket, epoller, readiness, calls, scope, wait),
      );
    });
  }

  /** read(2) into memory of the descriptor's task. Gives the number of bytes, 0 at the end. */
  readInto(address: Address, size: number): Effect.Effect<number, IoFailure> {
    const { attempts, calls } = this.#parts;
    const kept = keptInto(this.#parts, address, size);
    return attempts.take(kept, size, calls.call("read", address, size, 0), undefined);
  }

  /** write(2) from memory of the descriptor's task. Gives the number of bytes. */
  writeFrom(address: Address, size: number): Effect.Effect<number, IoFailure> {
    return this.#parts.attempts.await(EPOLL.OUT, this.#parts.calls.call("write", address, size, 0));
  }

  /** send(2) from memory of the descriptor's task, without SIGPIPE. Gives the number of bytes. */
  sendFrom(address: Address, size: number): Effect.Effect<number, IoFailure> {
    return this.#parts.attempts.await(
      EPOLL.OUT,
      this.#parts.calls.call("sendto", address, size, MSG.NOSIGNAL),
    );
  }

  /** read(2) into a buffer, which is consumed. Gives the part that was read, empty at the end, and the rest. */
  read(
    buffer: Pointer<Uint8Array>,
  ): Effect.Effect<
    [used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    PtrFailure | BorrowFailure
  > {
    return Effect.flatMap(buffer.borrow(this.handle.task), (address) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(this.readInto(address, buffer.size)), (count) =>
          buffer.readableSplit(count),
        ),
      ),
    );
  }

  /** Reads at most `size` bytes, as soon as there are some. Empty at the end. */
  readBytes(size = 65536): Effect.Effect<Uint8Array, IoFailure> {
    return this.#takeBytes(size, undefined);
  }

  /**
   * As `readBytes`, but `take` gets the bytes before the fiber can be interrupted. For callers that collect
   * bytes.
   */
  takeBytes<B>(size: number, take: (bytes: Uint8Array) => B): Effect.Effect<B, IoFailure> {
    return this.#takeBytes(size, take);
  }

  #takeBytes<B>(size: number, take: ((bytes: Uint8Array) => B) | undefined) {
    const { attempts, bytes } = this.#parts;
    return attempts.take(bytes, size, readOnce(this.#parts, "read", size, 0), take);
  }

  /** Writes all of a buffer that is already in the task's memory. */
  writeAllFrom(address: Address, size: number): Effect.Effect<void, IoFailure> {
    return writeAll(
      size,
      (done) => this.writeFrom(Address(address + done), size - done),
      nothingWritten("write", `fd ${this.handle.near}`),
    );
  }

  /** Writes all of the bytes. Raises SIGPIPE in the task like write(2); see `sendAllBytes`. */
  writeAllBytes(bytes: Uint8Array): Effect.Effect<void, IoFailure> {
    return bytes.length === 0
      ? Effect.void
      : this.handle.task.withBytes(bytes, (address) => this.writeAllFrom(address, bytes.length));
  }

  /** Sends all of the bytes on a socket. EPIPE if the peer is gone. */
  sendAllBytes(
    this: AsyncFileDescriptor<Socket>,
    bytes: Uint8Array,
  ): Effect.Effect<void, IoFailure> {
    return bytes.length === 0
      ? Effect.void
      : this.handle.task.withBytes(bytes, (address) =>
          writeAll(
            bytes.length,
            (done) => this.sendFrom(Address(address + done), bytes.length - done),
            nothingWritten("sendto", `fd ${this.handle.near}`),
          ),
        );
  }

  /**
   * accept4(2), waiting for a connection. The socket is asynchronous as well: its bytes can be waited for at once.
   * For calls that do not wait, and to pass it on, there is its `handle`.
   */
  accept(
    this: AsyncFileDescriptor<Socket>,
    flags = 0,
  ): Effect.Effect<AsyncFileDescriptor<Socket>, MallocFailure | BorrowFailure, Scope.Scope> {
    return this.#asSocket.accept(this.#parts, withFlags(flags, SOCK.NONBLOCK), {
      use: (socket) => this.#accepted(socket),
      giveUp: (accepted) => accepted.#unregister(),
    });
  }

  /** As `accept`, with the address of the peer. */
  acceptFrom(
    this: AsyncFileDescriptor<Socket>,
    flags = 0,
  ): Effect.Effect<
    [socket: AsyncFileDescriptor<Socket>, peer: Sockaddr | undefined],
    MallocFailure | BorrowFailure,
    Scope.Scope
  > {
    return this.#asSocket.accept(this.#parts, withFlags(flags, SOCK.NONBLOCK), {
      use: (socket) =>
        Effect.flatMap(
          this.#accepted(socket),
          (
            accepted,
          ): Effect.Effect<[AsyncFileDescriptor<Socket>, Sockaddr | undefined], IoFailure> =>
            Effect.map(socket.peerAddress(), (peer) => [accepted, peer]),
        ),
      giveUp: ([accepted]) => accepted.#unregister(),
    });
  }

  /** As `accept`, but the socket is not registered: for a caller that passes it on. */
  acceptHandle(
    this: AsyncFileDescriptor<Socket>,
    flags = 0,
  ): Effect.Effect<Socket, MallocFailure | BorrowFailure, Scope.Scope> {
    return this.#asSocket.accept(this.#parts, flags, {
      use: Effect.succeed,
      giveUp: Effect.succeed,
    });
  }

  /**
   * connect(2), waiting until the connection is made or has failed. After an interruption the kernel continues the
   * attempt, and the next connect waits for it. If other processes share the socket, the call itself blocks the task,
   * because only O_NONBLOCK would prevent that.
   *
   * EAGAIN if the queue of a Unix socket is full: the kernel does not report when there is room again.
   */
  connect(
    this: AsyncFileDescriptor<Socket>,
    address: Sockaddr | Uint8Array,
  ): Effect.Effect<void, IoFailure> {
    return this.#asSocket.connect(this.#parts, address);
  }

  /** recv(2): receives at most `size` bytes, as soon as there are some. Empty at the end of a stream. */
  recvBytes(
    this: AsyncFileDescriptor<Socket>,
    size = 65536,
    flags = 0,
  ): Effect.Effect<Uint8Array, IoFailure> {
    return this.#asSocket.recvBytes(this.#parts, size, flags);
  }

  /** recvmsg(2): receives at most `size` bytes and `mostFds` descriptors, as soon as there are some. */
  receiveFds(
    this: AsyncFileDescriptor<Socket>,
    size: number,
    mostFds: number,
  ): Effect.Effect<Received, MallocFailure | BorrowFailure, Scope.Scope> {
    const room = { size, fds: mostFds, control: 0, address: false, pidfd: false };
    return this.#asSocket.receive(this.#parts, room);
  }

  /** recvfrom(2): receives at most `size` bytes, with the address that they come from. Closes descriptors that come. */
  receiveFrom(
    this: AsyncFileDescriptor<Socket>,
    size = 65536,
  ): Effect.Effect<ReceivedFrom, MallocFailure | BorrowFailure> {
    return Effect.scoped(
      Effect.map(
        this.#asSocket.receive(this.#parts, { size, control: 0, pidfd: false }),
        ({ bytes, address, flags, length }) => ({ bytes, address, flags, length }),
      ),
    );
  }

  /** recvmsg(2): receives one message, as soon as there is one. See `Socket.receiveMessage`. */
  receiveMessage(
    this: AsyncFileDescriptor<Socket>,
    room: MessageRoom = {},
  ): Effect.Effect<ReceivedMessage, MallocFailure | BorrowFailure, Scope.Scope> {
    return this.#asSocket.receive(this.#parts, room);
  }

  /** recvmmsg(2): receives the messages that are there, as soon as there is one. See `Socket.receiveMessages`. */
  receiveMessages(
    this: AsyncFileDescriptor<Socket>,
    rooms: ReadonlyArray<MessageRoom>,
  ): Effect.Effect<ReadonlyArray<ReceivedMessage>, MallocFailure | BorrowFailure, Scope.Scope> {
    return this.#asSocket.receiveSeveral(this.#parts, rooms);
  }

  /** send(2), without SIGPIPE, as soon as there is room. Gives the number of bytes; see `sendAllBytes`. */
  sendBytes(
    this: AsyncFileDescriptor<Socket>,
    bytes: Uint8Array,
  ): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return this.sendMessage({ bytes });
  }

  /** sendto(2): sends a datagram to an address, as soon as there is room. See `sendMessage`. */
  sendTo(
    this: AsyncFileDescriptor<Socket>,
    bytes: Uint8Array,
    address: Sockaddr | Uint8Array,
  ): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return this.sendMessage({ bytes, address });
  }

  /** sendmsg(2) of bytes with descriptors, as soon as there is room. See `Socket.sendFds`. */
  sendFds(
    this: AsyncFileDescriptor<Socket>,
    bytes: Uint8Array,
    fds: ReadonlyArray<FileDescriptor>,
  ): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return this.sendMessage({ bytes, fds });
  }

  /**
   * sendmsg(2), as soon as there is room: see `Socket.sendMessage`.
   *
   * EAGAIN if the queue of the Unix socket at the address is full: the kernel does not report when there is room
   * again.
   */
  sendMessage(
    this: AsyncFileDescriptor<Socket>,
    message: OutgoingMessage,
  ): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return this.#asSocket.send(this.#parts, this.handle.sendMessage(message, MSG.DONTWAIT), [
      message.address,
    ]);
  }

  /** sendmmsg(2), as soon as there is room for one: see `Socket.sendMessages`, and `sendMessage`. */
  sendMessages(
    this: AsyncFileDescriptor<Socket>,
    messages: ReadonlyArray<OutgoingMessage>,
  ): Effect.Effect<ReadonlyArray<number>, MallocFailure | BorrowFailure> {
    return this.#asSocket.send(
      this.#parts,
      this.handle.sendMessages(messages, MSG.DONTWAIT),
      messages.map(({ address }) => address),
    );
  }

  /** Gives back the descriptor, which is asynchronous no more. */
  #unregister(): Effect.Effect<A> {
    return Effect.as(Scope.close(this.#parts.scope, Exit.void), this.handle);
  }

  /**
   * close(2). Fibers that wait for the descriptor fail with a UseAfterFreeError, and so do later
   * operations.
   */
  close(): Effect.Effect<void, IoFailure> {
    return Effect.uninterruptible(
      Effect.andThen(Scope.close(this.#parts.scope, Exit.void), this.handle.close()),
    );
  }

  /**
   * Reads until the end, in parts of at most `size` bytes. Nothing is read before the stream is pulled.
   */
  stream(size = 65536): Stream.Stream<Uint8Array, IoFailure> {
    return untilEmpty(this.readBytes(size));
  }

  /** Writes its input, as fast as the other side reads it. The descriptor stays open. */
  get sink(): Sink.Sink<void, Uint8Array, never, IoFailure> {
    const write = (bytes: Uint8Array) => this.writeAllBytes(bytes);
    return Sink.forEach(write);
  }

  /** As `sink`, on a socket: EPIPE without SIGPIPE if the peer is gone. */
  sendSink(this: AsyncFileDescriptor<Socket>): Sink.Sink<void, Uint8Array, never, IoFailure> {
    const send = (bytes: Uint8Array) => this.sendAllBytes(bytes);
    return Sink.forEach(send);
  }

  /**
   * splice(2) into another descriptor of the same task, until the end: the bytes do not pass through this process.
   * One of the two must be a pipe. Gives the number of bytes.
   */
  spliceTo(to: AsyncFileDescriptor): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return spliceAll(this.#parts, to.#parts);
  }

  /**
   * sendfile(2) of a file of the same task, from its offset to its end. Gives the number of bytes.
   */
  sendFile(from: FileDescriptor): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return sendFileAll(from, this.#parts);
  }

  /**
   * Makes a non-blocking call that this class does not have, and waits for the event whenever it gives "EAGAIN". The
   * call must not consume what an interruption would lose.
   *
   * @param event EPOLL.IN or EPOLL.OUT
   */
  whenReady<B, E>(
    event: typeof EPOLL.IN | typeof EPOLL.OUT,
    call: Effect.Effect<B | "EAGAIN", E>,
  ): Effect.Effect<B, E | IoFailure> {
    return this.#parts.attempts.await(event, call);
  }

  /** Waits until the peer has shut down its writing side, or is gone. */
  waitForRdhup(): Effect.Effect<void, IoFailure> {
    // The event may be from before the socket was connected: poll(2) reports a hang-up for such a socket.
    const look = Effect.map(pollNow(this.handle, EPOLL.RDHUP), (events) =>
      events === 0 ? "EAGAIN" : events,
    );
    return Effect.asVoid(this.#parts.attempts.await(EPOLL.RDHUP, look));
  }
}

oneLine(AsyncFileDescriptor, ({ handle }) => String(handle));
