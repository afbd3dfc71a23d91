import { EPOLL, Errno, MSG, SO, SOCK, SOL, type Sockaddr, SPLICE_F } from "@rsyscall/abi";
import {
  FileDescriptor,
  type HandleFailure,
  type Pointer,
  pollNow,
  type ReadablePointer,
  type Received,
  Socket,
} from "@rsyscall/handle";
import {
  type Address,
  catchErrno,
  Fd,
  isError,
  NULL,
  SyscallError,
  sendfile,
  splice,
  type Word,
} from "@rsyscall/near";
import { Cause, Effect, Scope, Sink, Stream } from "effect";
import type { Epoller } from "./Epoller.ts";
import type { Readiness } from "./Readiness.ts";

type Events = typeof EPOLL.IN | typeof EPOLL.OUT;

/** Bytes that one copying call is asked for. */
const COPY_SIZE = 1024 * 1024;

/**
 * A descriptor whose operations wait without blocking their task: other calls of the task go on, and
 * a fiber that waits can be interrupted at once, without losing a byte. What a call of another process
 * brings after its fiber was interrupted is kept for who asks next: bytes, connections, descriptors.
 */
export class AsyncFileDescriptor<out A extends FileDescriptor = FileDescriptor> {
  readonly handle: A;
  readonly #readiness: Readiness;
  readonly #scope: Scope.Scope;
  /** What was taken for fibers that were interrupted meanwhile. */
  readonly #bytes: Array<Uint8Array> = [];
  readonly #connections: Array<Socket> = [];
  readonly #received: Array<Received> = [];

  private constructor(handle: A, readiness: Readiness, scope: Scope.Scope) {
    this.handle = handle;
    this.#readiness = readiness;
    this.#scope = scope;
  }

  /** Registers a descriptor and makes it non-blocking, which holds for all who share the open file. */
  static make<A extends FileDescriptor>(
    epoller: Epoller,
    fd: A,
  ): Effect.Effect<AsyncFileDescriptor<A>, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      yield* fd.setNonblock;
      const readiness = yield* epoller.register(fd);
      return new AsyncFileDescriptor(fd, readiness, yield* Effect.scope);
    });
  }

  /**
   * Repeats an operation until it does not answer EAGAIN, waiting for the event in between. Only the
   * waits are interruptible: what was read is not lost. A short read is no reason to wait: a terminal
   * gives a line, and a packet socket a packet, however many more there are.
   */
  #retry<B, E, R>(
    event: Events,
    operation: Effect.Effect<B | "EAGAIN", E, R>,
    onTaken: (result: B) => void = () => {},
  ): Effect.Effect<B, E, R> {
    return Effect.uninterruptibleMask((restore) => {
      const attempt: Effect.Effect<B, E, R> = Effect.suspend(() => {
        const edges = this.#readiness.edges(event);
        return Effect.flatMap(operation, (result) => {
          if (result !== "EAGAIN") {
            onTaken(result);
            return Effect.succeed(result);
          }
          this.#readiness.fell(event, edges);
          return waitAndAttempt;
        });
      });
      const waitAndAttempt = Effect.andThen(restore(this.#readiness.wait(event)), attempt);
      return this.#readiness.isReady(event) ? attempt : waitAndAttempt;
    });
  }

  /**
   * As `retry`, for what is gone from the descriptor when there is a result. A fiber that is interrupted
   * while the call is on its way never sees that.
   */
  #take<B, E, R>(
    operation: (onTaken: (result: B) => void) => Effect.Effect<B, E, R>,
    keep: (result: B) => Effect.Effect<void>,
  ): Effect.Effect<B, E, R> {
    return Effect.suspend(() => {
      let taken: { readonly result: B } | undefined;
      const onTaken = (result: B) => {
        taken = { result };
      };
      return Effect.onInterrupt(operation(onTaken), () =>
        taken === undefined ? Effect.void : keep(taken.result),
      );
    });
  }

  #keepBytes(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#bytes.push(bytes);
  }

  /** What is kept, up to so many bytes; undefined if nothing is. */
  #keptBytes(size: number, isPeek = false): Uint8Array | undefined {
    const [first] = this.#bytes;
    if (first === undefined || !this.handle.isValid) return undefined;
    if (!isPeek) {
      if (first.length > size) this.#bytes[0] = first.subarray(size);
      else this.#bytes.shift();
    }
    return first.slice(0, size);
  }

  /** A system call on this descriptor, without the cost of an error object for every EAGAIN. */
  #call(
    name: "read" | "write" | "recvfrom" | "sendto" | "accept4",
    address: Address,
    size: number,
    flags: number,
  ): Effect.Effect<number | "EAGAIN", HandleFailure> {
    const { sysif } = this.handle.task;
    return Effect.flatMap(this.handle.borrow(this.handle.task), (fd) =>
      Effect.flatMap(
        sysif.syscall(sysif.abi.syscallNumber(name) as number, fd, address, size, flags, 0, 0),
        (result: Word): Effect.Effect<number | "EAGAIN", SyscallError> => {
          if (!isError(result)) return Effect.succeed(Number(result));
          return result === -Errno.EAGAIN
            ? Effect.succeed("EAGAIN")
            : Effect.fail(SyscallError.from(name, result, `fd ${fd}`));
        },
      ),
    );
  }

  /** read(2) into memory of the descriptor's task: how many bytes, 0 at the end. */
  readInto(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    const { sysif } = this.handle.task;
    return Effect.suspend(() => {
      const kept = this.#keptBytes(size);
      if (kept !== undefined) return Effect.as(sysif.write(address, kept), kept.length);
      return this.#take<number, HandleFailure, never>(
        (onTaken) => this.#retry(EPOLL.IN, this.#call("read", address, size, 0), onTaken),
        (count) =>
          count > 0 && count <= size
            ? Effect.ignore(
                Effect.map(sysif.read(address, count), (bytes) => this.#keepBytes(bytes)),
              )
            : Effect.void,
      );
    });
  }

  /** write(2) from memory of the descriptor's task: how many bytes. */
  writeFrom(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    return this.#retry(EPOLL.OUT, this.#call("write", address, size, 0));
  }

  /** send(2) from memory of the descriptor's task, without SIGPIPE: how many bytes. */
  sendFrom(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    return this.#retry(EPOLL.OUT, this.#call("sendto", address, size, MSG.NOSIGNAL));
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
    return this.#readWith("read", size, 0);
  }

  /**
   * As `readBytes`, and `take` gets the bytes before the fiber can be interrupted: for those who collect
   * them.
   */
  takeBytes<B>(size: number, take: (bytes: Uint8Array) => B): Effect.Effect<B, HandleFailure> {
    return Effect.suspend(() => {
      const kept = this.#keptBytes(size);
      return kept !== undefined
        ? Effect.succeed(take(kept))
        : this.#readInMemory("read", size, 0, (operation) =>
            this.#retry(
              EPOLL.IN,
              Effect.map(operation, (bytes) => (bytes === "EAGAIN" ? bytes : take(bytes))),
            ),
          );
    });
  }

  #readWith(
    name: "read" | "recvfrom",
    size: number,
    flags: number,
  ): Effect.Effect<Uint8Array, HandleFailure> {
    const isPeek = (flags & MSG.PEEK) !== 0;
    return Effect.suspend(() => {
      const kept = this.#keptBytes(size, isPeek);
      return kept !== undefined
        ? Effect.succeed(kept)
        : this.#take<Uint8Array, HandleFailure, never>(
            (onTaken) =>
              this.#readInMemory(name, size, flags, (operation) =>
                this.#retry(EPOLL.IN, operation, onTaken),
              ),
            (bytes) => Effect.sync(() => isPeek || this.#keepBytes(bytes)),
          );
    });
  }

  /** Has memory for a read, and for whatever is made of it. */
  #readInMemory<B>(
    name: "read" | "recvfrom",
    size: number,
    flags: number,
    use: (
      read: Effect.Effect<Uint8Array | "EAGAIN", HandleFailure>,
    ) => Effect.Effect<B, HandleFailure>,
  ): Effect.Effect<B, HandleFailure> {
    const { task } = this.handle;
    return task.withMemory(size, 1, (address) =>
      use(
        Effect.flatMap(
          this.#call(name, address, size, flags),
          (count): Effect.Effect<Uint8Array | "EAGAIN", HandleFailure> =>
            count === "EAGAIN"
              ? Effect.succeed(count)
              : count < 0 || count > size
                ? // What no kernel says, but a task that lies might.
                  Effect.fail(SyscallError.of(name, "EIO", `${count} of ${size} bytes`))
                : count === 0
                  ? Effect.succeed(new Uint8Array(0))
                  : task.sysif.read(address, count),
        ),
      ),
    );
  }

  /** Writes a buffer that is already in the task's memory, all of it. */
  writeAllFrom(address: Address, size: number): Effect.Effect<void, HandleFailure> {
    return Effect.flatMap(this.writeFrom(address, size), (count) =>
      count < size ? this.writeAllFrom((address + count) as Address, size - count) : Effect.void,
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
    const sendFrom = (address: Address, size: number): Effect.Effect<void, HandleFailure> =>
      Effect.flatMap(this.sendFrom(address, size), (count) =>
        count < size ? sendFrom((address + count) as Address, size - count) : Effect.void,
      );
    return bytes.length === 0
      ? Effect.void
      : this.handle.task.withBytes(bytes, (address) => sendFrom(address, bytes.length));
  }

  /** accept4(2), waiting for a connection. */
  accept(
    this: AsyncFileDescriptor<Socket>,
    flags = 0,
  ): Effect.Effect<Socket, HandleFailure, Scope.Scope> {
    const { task } = this.handle;
    const accepted = Effect.flatMap(
      this.#call("accept4", NULL, NULL, flags | SOCK.CLOEXEC),
      (fd): Effect.Effect<Socket | "EAGAIN", HandleFailure, Scope.Scope> =>
        fd === "EAGAIN"
          ? Effect.succeed(fd)
          : FileDescriptor.acquire(Socket, task, Effect.succeed(Fd(fd))),
    );
    return Effect.suspend(() => {
      const kept = this.#connections.shift();
      return kept !== undefined
        ? kept.move(task)
        : this.#take<Socket, HandleFailure, Scope.Scope>(
            (onTaken) => this.#retry(EPOLL.IN, accepted, onTaken),
            (socket) =>
              Effect.ignore(
                Effect.map(this.#own(socket), (own) => {
                  this.#connections.push(own);
                }),
              ),
          );
    });
  }

  /** The scope of this one closes it, and that for which it was made does not. */
  #own<F extends FileDescriptor>(fd: F): Effect.Effect<F, HandleFailure> {
    return Scope.provide(fd.move(this.handle.task), this.#scope);
  }

  /** As `accept`, and who has connected; undefined for a family that is not known here. */
  acceptFrom(
    this: AsyncFileDescriptor<Socket>,
    flags = 0,
  ): Effect.Effect<[socket: Socket, peer: Sockaddr | undefined], HandleFailure, Scope.Scope> {
    return Effect.flatMap(this.accept(flags), (socket) =>
      Effect.map(socket.peerAddress, (peer): [Socket, Sockaddr | undefined] => [socket, peer]),
    );
  }

  /**
   * connect(2), waiting until there is a connection, or an error why there is none. An interruption
   * leaves the kernel trying.
   */
  connect(
    this: AsyncFileDescriptor<Socket>,
    address: Sockaddr | Uint8Array,
  ): Effect.Effect<void, HandleFailure> {
    const { handle } = this;
    const finish = Effect.flatMap(handle.getOption(SOL.SOCKET, SO.ERROR), (number) =>
      number === 0
        ? Effect.void
        : Effect.fail(SyscallError.from("connect", -number, `fd ${handle.near}`)),
    );
    return Effect.suspend(() => {
      const edges = this.#readiness.edges(EPOLL.OUT);
      return handle.connect(address).pipe(
        catchErrno("EINPROGRESS", () =>
          Effect.suspend(() => {
            this.#readiness.fell(EPOLL.OUT, edges);
            return Effect.andThen(this.#readiness.wait(EPOLL.OUT), finish);
          }),
        ),
      );
    });
  }

  /** recv(2): at most `size` bytes, as soon as there are some. Empty at the end of a stream. */
  recvBytes(
    this: AsyncFileDescriptor<Socket>,
    size = 65536,
    flags = 0,
  ): Effect.Effect<Uint8Array, HandleFailure> {
    return this.#readWith("recvfrom", size, flags);
  }

  /** recvmsg(2), as soon as there is something: at most `size` bytes and `mostFds` descriptors. */
  receiveFds(
    this: AsyncFileDescriptor<Socket>,
    size: number,
    mostFds: number,
  ): Effect.Effect<Received, HandleFailure, Scope.Scope> {
    const { handle } = this;
    const receive = handle
      .receiveFds(size, mostFds)
      .pipe(catchErrno("EAGAIN", () => Effect.succeed("EAGAIN" as const)));
    return Effect.suspend(() => {
      const kept = this.#received.shift();
      return kept !== undefined
        ? Effect.map(
            Effect.forEach(kept.fds, (fd) => fd.move(handle.task)),
            (fds): Received => ({ ...kept, fds }),
          )
        : this.#take<Received, HandleFailure, Scope.Scope>(
            (onTaken) => this.#retry(EPOLL.IN, receive, onTaken),
            (received) =>
              Effect.ignore(
                Effect.map(
                  Effect.forEach(received.fds, (fd) => this.#own(fd)),
                  (fds) => {
                    this.#received.push({ ...received, fds });
                  },
                ),
              ),
          );
    });
  }

  /**
   * close(2). Whoever waits for the descriptor fails with a UseAfterFreeError, and so does all that is
   * asked of it later.
   */
  get close(): Effect.Effect<void, HandleFailure> {
    return Effect.andThen(
      this.handle.close,
      Effect.sync(() => this.#readiness.end()),
    );
  }

  /**
   * What can be read, until the end, in parts of at most `size` bytes. Nothing is read before it is asked
   * for.
   */
  stream(size = 65536): Stream.Stream<Uint8Array, HandleFailure> {
    return Stream.fromPull(
      Effect.succeed(
        Effect.flatMap(
          this.readBytes(size),
          (bytes): Effect.Effect<readonly [Uint8Array], Cause.Done> =>
            bytes.length === 0 ? Cause.done() : Effect.succeed([bytes]),
        ),
      ),
    );
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
    const { task } = this.handle;
    const copy = Effect.flatMap(this.handle.borrow(task), (from) =>
      Effect.flatMap(to.handle.borrow(task), (target) =>
        splice(task.sysif, from, target, COPY_SIZE, SPLICE_F.NONBLOCK),
      ),
    );
    return this.#copy(copy, to, this);
  }

  /**
   * sendfile(2) of a file of the same task, from where its offset is to its end. Gives how many bytes
   * there were.
   */
  sendFile(from: FileDescriptor): Effect.Effect<number, HandleFailure> {
    const { task } = this.handle;
    const copy = Effect.flatMap(this.handle.borrow(task), (to) =>
      Effect.flatMap(from.borrow(task), (file) => sendfile(task.sysif, to, file, COPY_SIZE)),
    );
    return this.#copy(copy, this, undefined);
  }

  /**
   * Repeats a copying call until it copies nothing. EAGAIN does not say which of the two has to wait; and
   * when we ask, whoever it was may be ready again, and will not be told of once more.
   *
   * @param from undefined where it never has to
   */
  #copy(
    copy: Effect.Effect<number, HandleFailure>,
    to: AsyncFileDescriptor,
    from: AsyncFileDescriptor | undefined,
  ): Effect.Effect<number, HandleFailure> {
    return Effect.uninterruptibleMask((restore) => {
      const copyFrom = (copied: number): Effect.Effect<number, HandleFailure> =>
        Effect.suspend(() => {
          const inEdges = from === undefined ? 0 : from.#readiness.edges(EPOLL.IN);
          const outEdges = to.#readiness.edges(EPOLL.OUT);
          const waitUnlessReady = (afd: AsyncFileDescriptor, event: Events, edges: number) =>
            Effect.flatMap(
              pollNow(afd.handle, event),
              (events): Effect.Effect<void, HandleFailure> => {
                if (events !== 0) return Effect.void;
                afd.#readiness.fell(event, edges);
                return restore(afd.#readiness.wait(event));
              },
            );
          const waitForBoth = Effect.andThen(
            waitUnlessReady(to, EPOLL.OUT, outEdges),
            from === undefined ? Effect.void : waitUnlessReady(from, EPOLL.IN, inEdges),
          );
          return Effect.matchEffect(copy, {
            onSuccess: (count) => (count === 0 ? Effect.succeed(copied) : copyFrom(copied + count)),
            onFailure: (error): Effect.Effect<number, HandleFailure> =>
              error instanceof SyscallError && error.errno === "EAGAIN"
                ? Effect.andThen(waitForBoth, copyFrom(copied))
                : Effect.fail(error),
          });
        });
      return copyFrom(0);
    });
  }

  /** Waits until the other end has stopped writing, or is gone. */
  get waitForRdhup(): Effect.Effect<void> {
    return this.#readiness.wait(EPOLL.RDHUP);
  }
}
