import { EPOLL, MSG, type Sockaddr } from "@rsyscall/abi";
import {
  type FileDescriptor,
  type HandleFailure,
  nothingWritten,
  type Pointer,
  pollNow,
  type ReadablePointer,
  type Received,
  type Socket,
  writeAll,
} from "@rsyscall/handle";
import { Address, oneLine } from "@rsyscall/near";
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
 * a fiber that waits can be interrupted at once, without losing a byte. What a call of another process
 * brings after its fiber was interrupted is kept for the next operation: bytes, connections, descriptors.
 */
export class AsyncFileDescriptor<out A extends FileDescriptor = FileDescriptor> {
  readonly handle: A;
  readonly #parts: AsyncParts<A>;
  readonly #asSocket = new AsyncSocket();

  private constructor(parts: AsyncParts<A>) {
    this.handle = parts.handle;
    this.#parts = parts;
  }

  /**
   * Registers a descriptor. What the task has opened becomes non-blocking; the flags of what it shares with
   * others (stdin, what came over a socket) stay as they are.
   */
  static make<A extends FileDescriptor>(
    epoller: Epoller,
    fd: A,
  ): Effect.Effect<AsyncFileDescriptor<A>, HandleFailure, Scope.Scope> {
    return Effect.uninterruptible(
      Effect.flatMap(Effect.flatMap(Effect.scope, Scope.fork), (scope) =>
        // A file that epoll refuses stays as it is.
        Effect.flatMap(Scope.provide(epoller.register(fd), scope), (readiness) =>
          Effect.map(
            NonblockingCalls.make(fd),
            (calls) => new AsyncFileDescriptor(new AsyncParts(fd, readiness, calls, scope)),
          ),
        ).pipe(Effect.onError(() => Scope.close(scope, Exit.void))),
      ),
    );
  }

  /** read(2) into memory of the descriptor's task: how many bytes, 0 at the end. */
  readInto(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    const { attempts, calls } = this.#parts;
    const kept = keptInto(this.#parts, address, size);
    return attempts.take(kept, size, calls.call("read", address, size, 0), undefined);
  }

  /** write(2) from memory of the descriptor's task: how many bytes. */
  writeFrom(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    return this.#parts.attempts.await(EPOLL.OUT, this.#parts.calls.call("write", address, size, 0));
  }

  /** send(2) from memory of the descriptor's task, without SIGPIPE: how many bytes. */
  sendFrom(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    return this.#parts.attempts.await(
      EPOLL.OUT,
      this.#parts.calls.call("sendto", address, size, MSG.NOSIGNAL),
    );
  }

  /** read(2) into a buffer, which is consumed: what was read, and the rest. Empty at the end. */
  read(
    buffer: Pointer<Uint8Array>,
  ): Effect.Effect<[used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>], HandleFailure> {
    return Effect.flatMap(buffer.borrow(this.handle.task), (address) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(this.readInto(address, buffer.size)), (count) =>
          buffer.readableSplit(count),
        ),
      ),
    );
  }

  /** At most `size` bytes, as soon as there are some. Empty at the end. */
  readBytes(size = 65536): Effect.Effect<Uint8Array, HandleFailure> {
    return this.#takeBytes(size, undefined);
  }

  /**
   * As `readBytes`, and `take` gets the bytes before the fiber can be interrupted: for callers that
   * collect them.
   */
  takeBytes<B>(size: number, take: (bytes: Uint8Array) => B): Effect.Effect<B, HandleFailure> {
    return this.#takeBytes(size, take);
  }

  #takeBytes<B>(size: number, take: ((bytes: Uint8Array) => B) | undefined) {
    const { attempts, bytes } = this.#parts;
    return attempts.take(bytes, size, readOnce(this.#parts, "read", size, 0), take);
  }

  /** Writes a buffer that is already in the task's memory, all of it. */
  writeAllFrom(address: Address, size: number): Effect.Effect<void, HandleFailure> {
    return writeAll(
      size,
      (done) => this.writeFrom(Address(address + done), size - done),
      nothingWritten("write", `fd ${this.handle.near}`),
    );
  }

  /** Writes all of the bytes. Raises SIGPIPE in the task like write(2); see `sendAllBytes`. */
  writeAllBytes(bytes: Uint8Array): Effect.Effect<void, HandleFailure> {
    return bytes.length === 0
      ? Effect.void
      : this.handle.task.withBytes(bytes, (address) => this.writeAllFrom(address, bytes.length));
  }

  /** Sends all of the bytes, on a socket. A peer that is gone is EPIPE. */
  sendAllBytes(
    this: AsyncFileDescriptor<Socket>,
    bytes: Uint8Array,
  ): Effect.Effect<void, HandleFailure> {
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

  /** accept4(2), waiting for a connection. */
  accept(
    this: AsyncFileDescriptor<Socket>,
    flags = 0,
  ): Effect.Effect<Socket, HandleFailure, Scope.Scope> {
    return this.#asSocket.accept(this.#parts, flags);
  }

  /** As `accept`, with the address of the peer; undefined for a family that is not known here. */
  acceptFrom(
    this: AsyncFileDescriptor<Socket>,
    flags = 0,
  ): Effect.Effect<[socket: Socket, peer: Sockaddr | undefined], HandleFailure, Scope.Scope> {
    return Effect.flatMap(this.accept(flags), (socket) =>
      Effect.map(socket.peerAddress(), (peer): [Socket, Sockaddr | undefined] => [socket, peer]),
    );
  }

  /**
   * connect(2), waiting until there is a connection, or an error why there is none. An interruption
   * leaves the kernel trying, and the next connect waits for that. Of a socket that others share, the
   * call itself waits: there is no other way than O_NONBLOCK.
   *
   * EAGAIN if the queue of a Unix socket is full: the kernel does not tell when there is room again.
   */
  connect(
    this: AsyncFileDescriptor<Socket>,
    address: Sockaddr | Uint8Array,
  ): Effect.Effect<void, HandleFailure> {
    return this.#asSocket.connect(this.#parts, address);
  }

  /** recv(2): at most `size` bytes, as soon as there are some. Empty at the end of a stream. */
  recvBytes(
    this: AsyncFileDescriptor<Socket>,
    size = 65536,
    flags = 0,
  ): Effect.Effect<Uint8Array, HandleFailure> {
    return this.#asSocket.recvBytes(this.#parts, size, flags);
  }

  /** recvmsg(2), as soon as there is something: at most `size` bytes and `mostFds` descriptors. */
  receiveFds(
    this: AsyncFileDescriptor<Socket>,
    size: number,
    mostFds: number,
  ): Effect.Effect<Received, HandleFailure, Scope.Scope> {
    return this.#asSocket.receiveFds(this.#parts, size, mostFds);
  }

  /**
   * close(2). Fibers that wait for the descriptor fail with a UseAfterFreeError, and so do later
   * operations.
   */
  close(): Effect.Effect<void, HandleFailure> {
    return Effect.uninterruptible(
      Effect.andThen(Scope.close(this.#parts.scope, Exit.void), this.handle.close()),
    );
  }

  /**
   * What can be read, until the end, in parts of at most `size` bytes. Nothing is read before it is asked
   * for.
   */
  stream(size = 65536): Stream.Stream<Uint8Array, HandleFailure> {
    return untilEmpty(this.readBytes(size));
  }

  /** Writes what it is given, as fast as the other side takes it. The descriptor stays open. */
  get sink(): Sink.Sink<void, Uint8Array, never, HandleFailure> {
    const write = (bytes: Uint8Array) => this.writeAllBytes(bytes);
    return Sink.forEach(write);
  }

  /** As `sink`, on a socket: a peer that is gone is EPIPE, and no SIGPIPE. */
  sendSink(this: AsyncFileDescriptor<Socket>): Sink.Sink<void, Uint8Array, never, HandleFailure> {
    const send = (bytes: Uint8Array) => this.sendAllBytes(bytes);
    return Sink.forEach(send);
  }

  /**
   * splice(2) into another descriptor of the same task, until the end: no byte comes here. One of the two
   * must be a pipe. Gives how many bytes there were.
   */
  spliceTo(to: AsyncFileDescriptor): Effect.Effect<number, HandleFailure> {
    return spliceAll(this.#parts, to.#parts);
  }

  /**
   * sendfile(2) of a file of the same task, from where its offset is to its end. Gives how many bytes
   * there were.
   */
  sendFile(from: FileDescriptor): Effect.Effect<number, HandleFailure> {
    return sendFileAll(from, this.#parts);
  }

  /** Waits until the other end has stopped writing, or is gone. */
  waitForRdhup(): Effect.Effect<void, HandleFailure> {
    // What was told may be of a socket that was not connected yet: such a one has hung up, by poll(2).
    const look = Effect.map(pollNow(this.handle, EPOLL.RDHUP), (events) =>
      events === 0 ? "EAGAIN" : events,
    );
    return Effect.asVoid(this.#parts.attempts.await(EPOLL.RDHUP, look));
  }
}

oneLine(AsyncFileDescriptor, ({ handle }) => String(handle));
