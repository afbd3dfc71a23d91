import { EPOLL, Errno, MSG, O, S_IF, S_IFMT, SOCK, type Sockaddr, SPLICE_F } from "@rsyscall/abi";
import {
  FileDescriptor,
  type HandleFailure,
  type InvalidHandleError,
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
  impossible,
  isError,
  NULL,
  oneLine,
  SyscallError,
  sendfile,
  splice,
  type Word,
  withFlags,
  write,
} from "@rsyscall/near";
import { Cause, Effect, Exit, identity, Scope, Sink, Stream } from "effect";
import type { Epoller } from "./Epoller.ts";
import type { Kept } from "./internal/Kept.ts";
import { KeptBytes } from "./internal/KeptBytes.ts";
import { type Restore, Turns } from "./internal/Turns.ts";
import type { Readiness, WaitableEvent } from "./Readiness.ts";

/**
 * What is read from a socket, and written to it, by calls that can be told not to wait: a process with the same
 * open file, such as one that has passed it here, may take O_NONBLOCK away at any time.
 */
const directions = {
  read: "recvfrom",
  recvfrom: "recvfrom",
  write: "sendto",
  sendto: "sendto",
  accept4: undefined,
} as const;

/** Bytes that one copying call is asked for. */
const COPY_SIZE = 1024 * 1024;

/** Bytes that a pipe, a terminal or a stream socket that is ready takes without waiting: pipe(7). */
const PIPE_BUF = 4096;

/**
 * What keeps calls from waiting. O_NONBLOCK is a flag of the open file, and so of all processes that have it:
 * left behind on the stdin of a shell, as it would be by a program that is killed, it makes the next command
 * fail with EAGAIN. So it is set on nothing that others may share.
 *
 * - `flag`: O_NONBLOCK
 * - `dontwait`: MSG_DONTWAIT, of each call on a socket
 * - `poll`: poll(2) before each call. Between the two another process may take what was there, if it reads
 *   from the same open file; then the call waits for more.
 */
type Without = "flag" | "dontwait" | "poll";

type CallName = "read" | "write" | "recvfrom" | "sendto" | "accept4";

const withoutWaiting = (fd: FileDescriptor): Effect.Effect<Without, HandleFailure> =>
  fd.isShared
    ? Effect.flatMap(fd.statusFlags, (flags) =>
        flags & O.NONBLOCK
          ? Effect.succeed("flag")
          : Effect.map(fd.fstat, ({ mode }) =>
              (mode & S_IFMT) === S_IF.SOCK ? "dontwait" : "poll",
            ),
      )
    : Effect.as(fd.setNonblock, "flag");

/**
 * A descriptor whose operations wait without blocking their task: other calls of the task go on, and
 * a fiber that waits can be interrupted at once, without losing a byte. What a call of another process
 * brings after its fiber was interrupted is kept for who asks next: bytes, connections, descriptors.
 */
export class AsyncFileDescriptor<out A extends FileDescriptor = FileDescriptor> {
  readonly handle: A;
  readonly #readiness: Readiness;
  readonly #without: Without;
  /** Of the registration, and of what is kept. */
  readonly #scope: Scope.Closeable;
  readonly #bytes = new KeptBytes();
  readonly #connections: Array<Socket> = [];
  /** Of those who take something from the descriptor. */
  readonly #turns = new Turns();
  /** Whether the kernel is connecting the socket because we have asked it to. */
  #isConnecting = false;

  private constructor(handle: A, readiness: Readiness, without: Without, scope: Scope.Closeable) {
    this.handle = handle;
    this.#readiness = readiness;
    this.#without = without;
    this.#scope = scope;
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
            withoutWaiting(fd),
            (without) => new AsyncFileDescriptor(fd, readiness, without, scope),
          ),
        ).pipe(Effect.onError(() => Scope.close(scope, Exit.void))),
      ),
    );
  }

  /**
   * Repeats an operation until it does not answer EAGAIN, waiting for the event in between, and makes
   * something of its result. Only the waits are interruptible. A short read is no reason to wait: a terminal
   * gives a line, and a packet socket a packet, however many more there are.
   */
  #retry<B, C, E, R>(
    event: WaitableEvent,
    operation: Effect.Effect<B | "EAGAIN", E, R>,
    restore: Restore,
    use: (result: B) => C,
  ): Effect.Effect<C, E | InvalidHandleError, R> {
    const attempt: Effect.Effect<C, E | InvalidHandleError, R> = Effect.suspend(() => {
      const edges = this.#readiness.edges(event);
      return Effect.flatMap(operation, (result) =>
        result === "EAGAIN"
          ? Effect.andThen(this.#waitAfter(event, edges, restore), attempt)
          : Effect.succeed(use(result)),
      );
    });
    return this.#readiness.isReady(event)
      ? attempt
      : Effect.andThen(restore(this.#readiness.wait(event)), attempt);
  }

  /** `retry`, for what takes nothing away: an interruption loses no more than the result. */
  #await<B, E, R>(
    event: WaitableEvent,
    operation: Effect.Effect<B | "EAGAIN", E, R>,
  ): Effect.Effect<B, E | InvalidHandleError, R> {
    return Effect.uninterruptibleMask((restore) =>
      this.#retry(event, operation, restore, identity),
    );
  }

  /** Waits for an event, after an EAGAIN of a call that was made when there were so many edges. */
  #waitAfter(
    event: WaitableEvent,
    edges: number,
    restore: Restore,
  ): Effect.Effect<void, InvalidHandleError> {
    return Effect.suspend(() => {
      if (this.#readiness.hasEnded) return Effect.fail(this.#readiness.endError(this.handle));
      this.#readiness.fell(event, edges);
      return restore(this.#readiness.wait(event));
    });
  }

  /**
   * `retry`, for a call that takes something from the descriptor. What it brings for a fiber that was
   * interrupted meanwhile is kept; so that it comes before what calls behind it bring, one fiber at a time
   * takes.
   *
   * @param use makes something of the result before the fiber can be interrupted. If undefined, it gets the
   *   result itself, or nobody does.
   */
  #take<B, C, E, R>(
    kept: Kept<B, E, R>,
    size: number,
    call: Effect.Effect<B | "EAGAIN", E, R>,
    use: ((result: B) => C) | undefined,
  ): Effect.Effect<C, E | InvalidHandleError, R> {
    const next = Effect.suspend(() =>
      kept.isEmpty || !this.handle.isValid ? call : kept.take(size),
    );
    return Effect.suspend(() => {
      let taken: { readonly result: B } | undefined;
      const keep = (result: B): B => {
        taken = { result };
        return result;
      };
      return this.#turns.inTurn(
        (restore) => this.#retry(EPOLL.IN, next, restore, use ?? (keep as (result: B) => never)),
        (exit) =>
          taken !== undefined && Exit.isFailure(exit)
            ? Effect.ignore(kept.putBack(taken.result))
            : undefined,
      );
    });
  }

  /**
   * A system call on this descriptor that does not wait.
   *
   * @param most what the result can be
   */
  #call(
    name: CallName,
    address: Address,
    size: number,
    flags: number,
    most = size,
  ): Effect.Effect<number | "EAGAIN", HandleFailure> {
    if (this.#without === "flag") return this.#perform(name, address, size, flags, most);
    if (this.#without === "dontwait" && name !== "accept4") {
      const onSocket = name === "read" ? "recvfrom" : name === "write" ? "sendto" : name;
      return this.#perform(onSocket, address, size, flags | MSG.DONTWAIT, most);
    }
    const writes = name === "write" || name === "sendto";
    return Effect.flatMap(
      pollNow(this.handle, writes ? EPOLL.OUT : EPOLL.IN),
      (events): Effect.Effect<number | "EAGAIN", HandleFailure> =>
        events === 0
          ? Effect.succeed("EAGAIN")
          : this.#perform(name, address, writes ? Math.min(size, PIPE_BUF) : size, flags, most),
    );
  }

  /** A system call on this descriptor, without the cost of an error object for every EAGAIN. */
  #perform(
    name: CallName,
    address: Address,
    size: number,
    flags: number,
    most: number,
  ): Effect.Effect<number | "EAGAIN", HandleFailure> {
    const { handle } = this;
    const { sysif } = handle.task;
    const direction = handle instanceof Socket ? directions[name] : undefined;
    const number = sysif.abi.syscallNumber(direction ?? name) as number;
    const allFlags = direction === undefined ? flags : flags | MSG.DONTWAIT;
    return Effect.suspend((): Effect.Effect<number | "EAGAIN", HandleFailure> => {
      if (!handle.isValid) return Effect.fail(handle.invalidError);
      return Effect.flatMap(
        sysif.syscall(number, handle.near, address, size, allFlags, 0, 0),
        (result: Word): Effect.Effect<number | "EAGAIN", SyscallError> => {
          if (result === -Errno.EAGAIN) return Effect.succeed("EAGAIN");
          if (isError(result))
            return Effect.fail(SyscallError.from(name, result, `fd ${handle.near}`));
          return result >= 0 && result <= most
            ? Effect.succeed(Number(result))
            : Effect.fail(impossible(name, `fd ${handle.near}`, `${result} of ${most}`));
        },
      );
    });
  }

  /** read(2) into memory of the descriptor's task: how many bytes, 0 at the end. */
  readInto(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    const { sysif } = this.handle.task;
    const bytes = this.#bytes;
    const filled = (count: number) => sysif.read(address, count);
    const kept: Kept<number, HandleFailure> = {
      get isEmpty() {
        return bytes.isEmpty;
      },
      take: () =>
        Effect.flatMap(bytes.take(size), (part) =>
          Effect.as(sysif.write(address, part), part.length),
        ),
      putBack: (count) => Effect.flatMap(filled(count), bytes.putBack),
    };
    return this.#take(kept, size, this.#call("read", address, size, 0), undefined);
  }

  /** write(2) from memory of the descriptor's task: how many bytes. */
  writeFrom(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    return this.#await(EPOLL.OUT, this.#call("write", address, size, 0));
  }

  /** send(2) from memory of the descriptor's task, without SIGPIPE: how many bytes. */
  sendFrom(address: Address, size: number): Effect.Effect<number, HandleFailure> {
    return this.#await(EPOLL.OUT, this.#call("sendto", address, size, MSG.NOSIGNAL));
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
    return this.#take(this.#bytes, size, this.#read("read", size, 0), undefined);
  }

  /**
   * As `readBytes`, and `take` gets the bytes before the fiber can be interrupted: for those who collect
   * them.
   */
  takeBytes<B>(size: number, take: (bytes: Uint8Array) => B): Effect.Effect<B, HandleFailure> {
    return this.#take(this.#bytes, size, this.#read("read", size, 0), take);
  }

  /** A call that reads bytes. It has memory only for as long as it is on its way: who waits has none. */
  #read(
    name: "read" | "recvfrom",
    size: number,
    flags: number,
  ): Effect.Effect<Uint8Array | "EAGAIN", HandleFailure> {
    const { task } = this.handle;
    return task.withMemory(size, 1, (address) =>
      Effect.flatMap(
        // With MSG.TRUNC the kernel tells how long a datagram was, of which only so much is here.
        this.#call(name, address, size, flags, flags & MSG.TRUNC ? Number.MAX_SAFE_INTEGER : size),
        (count): Effect.Effect<Uint8Array | "EAGAIN", HandleFailure> =>
          count === "EAGAIN"
            ? Effect.succeed(count)
            : count === 0
              ? Effect.succeed(new Uint8Array(0))
              : task.sysif.read(address, Math.min(count, size)),
      ),
    );
  }

  /** Writes a buffer that is already in the task's memory, all of it. */
  writeAllFrom(address: Address, size: number): Effect.Effect<void, HandleFailure> {
    return this.#all("write", address, size, (from, left) => this.writeFrom(from, left));
  }

  /** Repeats a call until all is written. EPROTO for a task that writes nothing: it would hold us for ever. */
  #all(
    name: "write" | "sendto",
    address: Address,
    size: number,
    write: (from: Address, left: number) => Effect.Effect<number, HandleFailure>,
  ): Effect.Effect<void, HandleFailure> {
    return Effect.flatMap(write(address, size), (count) => {
      if (count === 0 && size > 0)
        return Effect.fail(impossible(name, `fd ${this.handle.near}`, "nothing is written"));
      return count < size
        ? this.#all(name, (address + count) as Address, size - count, write)
        : Effect.void;
    });
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
          this.#all("sendto", address, bytes.length, (from, left) => this.sendFrom(from, left)),
        );
  }

  /** accept4(2), waiting for a connection. */
  accept(
    this: AsyncFileDescriptor<Socket>,
    flags = 0,
  ): Effect.Effect<Socket, HandleFailure, Scope.Scope> {
    const { task } = this.handle;
    const accepted = Effect.flatMap(
      this.#call("accept4", NULL, NULL, withFlags(flags, SOCK.CLOEXEC), 2 ** 31 - 1),
      (fd): Effect.Effect<Socket | "EAGAIN", HandleFailure, Scope.Scope> =>
        fd === "EAGAIN"
          ? Effect.succeed(fd)
          : FileDescriptor.acquire(Socket, task, Effect.succeed(Fd(fd))),
    );
    const connections = this.#connections;
    const kept: Kept<Socket, HandleFailure, Scope.Scope> = {
      get isEmpty() {
        return connections.length === 0;
      },
      take: () => Effect.suspend(() => (connections.shift() as Socket).move(task)),
      putBack: (socket) => Effect.map(this.#own(socket), (own) => void connections.unshift(own)),
    };
    return this.#take(kept, 1, accepted, undefined);
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
   * leaves the kernel trying, and the next connect waits for that. Of a socket that others share, the
   * call itself waits: there is no other way than O_NONBLOCK.
   *
   * EAGAIN if the queue of a Unix socket is full: the kernel tells nobody when there is room again.
   */
  connect(
    this: AsyncFileDescriptor<Socket>,
    address: Sockaddr | Uint8Array,
  ): Effect.Effect<void, HandleFailure> {
    const done = (isConnecting: boolean) =>
      Effect.sync(() => {
        this.#isConnecting = isConnecting;
      });
    return Effect.uninterruptibleMask((restore) => {
      // An event may be of what the socket was before. The kernel says what became of an attempt when it is
      // asked again.
      const attempt: Effect.Effect<void, HandleFailure> = Effect.suspend(() => {
        const edges = this.#readiness.edges(EPOLL.OUT);
        return Effect.matchEffect(this.handle.connect(address), {
          onSuccess: () => done(false),
          onFailure: (error): Effect.Effect<void, HandleFailure> => {
            const errno = error instanceof SyscallError ? error.errno : undefined;
            if (errno === "EINPROGRESS" || errno === "EALREADY")
              return Effect.andThen(
                done(true),
                Effect.andThen(this.#waitAfter(EPOLL.OUT, edges, restore), attempt),
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

  /** recv(2): at most `size` bytes, as soon as there are some. Empty at the end of a stream. */
  recvBytes(
    this: AsyncFileDescriptor<Socket>,
    size = 65536,
    flags = 0,
  ): Effect.Effect<Uint8Array, HandleFailure> {
    const bytes = this.#bytes;
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
    return this.#take(kept, size, this.#read("recvfrom", size, flags), undefined);
  }

  /** recvmsg(2), as soon as there is something: at most `size` bytes and `mostFds` descriptors. */
  receiveFds(
    this: AsyncFileDescriptor<Socket>,
    size: number,
    mostFds: number,
  ): Effect.Effect<Received, HandleFailure, Scope.Scope> {
    const { handle } = this;
    const receive = handle
      .receiveFds(size, mostFds, MSG.DONTWAIT)
      .pipe(catchErrno("EAGAIN", () => Effect.succeed("EAGAIN" as const)));
    const bytes = this.#bytes;
    const kept: Kept<Received, HandleFailure, Scope.Scope> = {
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
              Effect.forEach(further, (fd) => fd.release, { discard: true }),
              Effect.forEach(part.fds.slice(0, mostFds), (fd) => fd.move(handle.task)),
            ),
            (fds) => ({ ...part, fds, flags }),
          );
        }),
      putBack: (part) =>
        Effect.map(
          Effect.forEach(part.fds, (fd) => this.#own(fd)),
          (fds) => bytes.putBackReceived({ ...part, fds }),
        ),
    };
    return this.#take(kept, size, receive, undefined);
  }

  /**
   * close(2). Whoever waits for the descriptor fails with a InvalidHandleError, and so does all that is
   * asked of it later.
   */
  get close(): Effect.Effect<void, HandleFailure> {
    return Effect.uninterruptible(
      Effect.andThen(Scope.close(this.#scope, Exit.void), this.handle.close),
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
        this.#bytes.isEmpty
          ? splice(task.sysif, from, NULL, target, NULL, to.#copySize, SPLICE_F.NONBLOCK)
          : this.#writeKept(target, to.#copySize),
      ),
    );
    return this.#turns.inTurn(
      (restore) => this.#copy(copy, to, this, restore),
      () => undefined,
    );
  }

  /** Bytes that one copying call to this descriptor is asked for. */
  get #copySize(): number {
    return this.#without === "flag" ? COPY_SIZE : PIPE_BUF;
  }

  /** write(2) of bytes that are kept: how many. */
  #writeKept(to: Fd, size: number): Effect.Effect<number, HandleFailure> {
    const { task } = this.handle;
    return Effect.suspend(() => {
      const { bytes } = this.#bytes.takeReceived(size);
      let written = 0;
      return task
        .withBytes(bytes, (address) => write(task.sysif, to, address, bytes.length))
        .pipe(
          Effect.tap((count) =>
            Effect.sync(() => {
              written = count;
            }),
          ),
          Effect.ensuring(Effect.suspend(() => this.#bytes.putBack(bytes.subarray(written)))),
        );
    });
  }

  /**
   * sendfile(2) of a file of the same task, from where its offset is to its end. Gives how many bytes
   * there were.
   */
  sendFile(from: FileDescriptor): Effect.Effect<number, HandleFailure> {
    const { task } = this.handle;
    const copy = Effect.flatMap(this.handle.borrow(task), (to) =>
      Effect.flatMap(from.borrow(task), (file) =>
        sendfile(task.sysif, to, file, NULL, this.#copySize),
      ),
    );
    return Effect.uninterruptibleMask((restore) => this.#copy(copy, this, undefined, restore));
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
    restore: Restore,
  ): Effect.Effect<number, HandleFailure> {
    const copyFrom = (copied: number): Effect.Effect<number, HandleFailure> =>
      Effect.suspend(() => {
        const inEdges = from === undefined ? 0 : from.#readiness.edges(EPOLL.IN);
        const outEdges = to.#readiness.edges(EPOLL.OUT);
        const waitUnlessReady = (
          afd: AsyncFileDescriptor,
          event: typeof EPOLL.IN | typeof EPOLL.OUT,
          edges: number,
        ) =>
          Effect.flatMap(
            pollNow(afd.handle, event),
            (events): Effect.Effect<void, HandleFailure> =>
              events !== 0 ? Effect.void : afd.#waitAfter(event, edges, restore),
          );
        const waitForBoth = Effect.andThen(
          waitUnlessReady(to, EPOLL.OUT, outEdges),
          Effect.suspend(() =>
            from === undefined || !from.#bytes.isEmpty
              ? Effect.void
              : waitUnlessReady(from, EPOLL.IN, inEdges),
          ),
        );
        // Copying calls know no flag but O_NONBLOCK.
        const mayWait = to.#without !== "flag" || (from !== undefined && from.#without !== "flag");
        return Effect.matchEffect(mayWait ? Effect.andThen(waitForBoth, copy) : copy, {
          onSuccess: (count) => (count === 0 ? Effect.succeed(copied) : copyFrom(copied + count)),
          onFailure: (error): Effect.Effect<number, HandleFailure> =>
            error instanceof SyscallError && error.errno === "EAGAIN"
              ? Effect.andThen(waitForBoth, copyFrom(copied))
              : Effect.fail(error),
        });
      });
    return copyFrom(0);
  }

  /** Waits until the other end has stopped writing, or is gone. */
  get waitForRdhup(): Effect.Effect<void, HandleFailure> {
    // What was told may be of a socket that was not connected yet: such a one has hung up, by poll(2).
    const look = Effect.map(pollNow(this.handle, EPOLL.RDHUP), (events) =>
      events === 0 ? "EAGAIN" : events,
    );
    return Effect.asVoid(this.#await(EPOLL.RDHUP, look));
  }
}

oneLine(AsyncFileDescriptor, ({ handle }) => String(handle));
