import {
  AF,
  decodeSockaddr,
  EPOLL,
  type FixedCodec,
  type Ifreq,
  Int32,
  MSG,
  O,
  type OptionName,
  type ReadableOption,
  SO,
  SO_PEERCRED,
  SO_TYPE,
  SOCK,
  SOCKADDR_STORAGE_SIZE,
  SOL,
  type Sockaddr,
  socketOption,
  type Ucred,
  Uint32,
  type WritableOption,
} from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Cause, Effect, Exit, type Scope } from "effect";
import { encode } from "../encode.ts";
import type {
  BorrowFailure,
  FdFailure,
  IoFailure,
  MallocFailure,
  PtrFailure,
  WrongKindError,
} from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { addressBytes, addressText } from "../internal/addresses.ts";
import { argument, bytes as byteArray, checked, encodedBy } from "../internal/checked.ts";
import { decodeFds } from "../internal/decodeFds.ts";
import { ifreq } from "../net/if.ts";
import type { Direction } from "../Patience.ts";
import type { Pointer, ReadablePointer } from "../Pointer.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";
import { nothingWritten, writeAll } from "../writeAll.ts";
import {
  checkedRooms,
  descriptorsOf,
  joined,
  type MessageRoom,
  type OutgoingMessage,
  type Received,
  type ReceivedFrom,
  type ReceivedMessage,
  receiveMessage,
  receiveMessages,
  sendMessage,
  sendMessages,
} from "./message.ts";
import { Pidfd } from "./pidfd.ts";

/** Flags of receives that do not wait: there is out-of-band data or an error, or the call fails. */
const NEVER_WAIT = MSG.DONTWAIT | MSG.OOB | MSG.ERRQUEUE;

/** The error of a call that would stop JavaScript. */
const waitsForAll = (syscall: string, value: number, remedy: string): near.InvalidArgumentError =>
  new near.InvalidArgumentError({
    syscall,
    argument: "flags",
    value,
    expected: `flags without MSG.WAITALL in this process, where the kernel's wait for all bytes would stop JavaScript: ${remedy}`,
  });

/** An option of which only the number is known. */
const INT: ReadableOption<number> & WritableOption<number> = socketOption("option", 0, 0, Int32);

/** The errors of an option, with what is known of it. */
const explained =
  ({ name, since, needs }: OptionName) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    if (since === undefined && needs === undefined) return self;
    return Effect.mapError(self, (error) => {
      if (!(error instanceof near.SyscallError)) return error;
      const text =
        error.errno === "ENOPROTOOPT" && since !== undefined
          ? `Linux ${since} has brought ${name}`
          : error.errno === "EPERM" && needs !== undefined
            ? `${name} needs ${needs} in the user namespace of the network`
            : undefined;
      return text === undefined ? error : (error.because(text) as E);
    });
  };

/** Where the value of an option lies in the memory of getsockopt(2), behind its length. */
const VALUE_AT = 8;

/** getsockopt(2): the bytes of an option, as many as the kernel gives. */
const getOption = <A>(
  task: Task,
  fd: near.Fd,
  { level, number, get }: Pick<ReadableOption<A>, "level" | "number" | "get">,
  subject: () => string,
): Effect.Effect<A, MallocFailure> => {
  const { sysif } = task;
  const { room } = get;
  return task.withMemory(VALUE_AT + room, 8, (length) => {
    const value = near.Address(length + VALUE_AT);
    const ask = near.batchThen(
      [near.getsockopt(sysif, fd, level, number, value, length).about(subject)],
      sysif.read(length, VALUE_AT + room),
    );
    return Effect.flatMap(
      Effect.andThen(sysif.write(length, encode(Uint32, room)), ask),
      ([, bytes]) => {
        const end = VALUE_AT + Math.min(Uint32.decode(bytes), room);
        return near.decoded("getsockopt", subject, () => get.decode(bytes.subarray(VALUE_AT, end)));
      },
    );
  });
};

const PEERPIDFD: ReadableOption<ReadonlyArray<near.Fd>> = {
  name: "SO_PEERPIDFD",
  level: SOL.SOCKET,
  number: SO.PEERPIDFD,
  since: "6.5",
  get: {
    room: Int32.size,
    decode: (bytes) => {
      const fds = decodeFds(bytes);
      if (fds.length !== 1) throw new RangeError(`${fds.length} descriptors are not one`);
      return fds;
    },
  },
};

/** The name that the kernel has written in front of its length. A longer address is cut. */
const decodedName = (bytes: Uint8Array): Sockaddr | undefined => {
  const length = Uint32.decode(bytes.subarray(SOCKADDR_STORAGE_SIZE));
  return decodeSockaddr(bytes.subarray(0, Math.min(length, SOCKADDR_STORAGE_SIZE)));
};

/** The errors of a kernel that does not know an option. */
const UNKNOWN_OPTION = new Set(["ENOPROTOOPT", "EOPNOTSUPP"]);

/** {@link Socket.refuseFds} of several sockets of a task, in one batch. */
export const refuseFds = (
  { task }: TaskLike,
  sockets: ReadonlyArray<Socket>,
): Effect.Effect<void, MallocFailure | BorrowFailure> =>
  Effect.flatMap(
    Effect.forEach(sockets, (socket) => socket.borrow(task)),
    (fds) =>
      task.withBytes(
        new Uint8Array(Int32.size),
        (at) =>
          Effect.flatMap(
            near.batchExits(
              fds.map((fd) =>
                near.setsockopt(task.sysif, fd, SOL.SOCKET, SO.PASSRIGHTS, at, Int32.size),
              ),
            ),
            (exits) => exits.find(isRefusal) ?? Effect.void,
          ),
        Int32.alignment,
      ),
  );

const isRefusal = (
  exit: Exit.Exit<unknown, near.SyscallFailure>,
): exit is Exit.Failure<never, near.SyscallFailure> => {
  if (Exit.isSuccess(exit)) return false;
  const error = Cause.squash(exit.cause);
  return !(error instanceof near.SyscallError && UNKNOWN_OPTION.has(error.errno));
};

/**
 * A socket: sys/socket.h. Close-on-exec, as all descriptors that rsyscall opens.
 *
 * @example
 * ```ts
 * import { AF, SOCK } from "@rsyscall/abi";
 * import { Socket } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const server = yield* Socket.make(thread, AF.INET, SOCK.STREAM);
 *   yield* server.bind({ family: "inet", address: "127.0.0.1", port: 0 });
 *   yield* server.listen(8);
 *   const address = yield* server.address();
 *   const client = yield* Socket.make(thread, AF.INET, SOCK.STREAM);
 *   if (address !== undefined) yield* client.connect(address);
 *   yield* client.writeAllText("hello");
 *   const accepted = yield* server.accept();
 *   console.log(new TextDecoder().decode(yield* accepted.readBytes())); // hello
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Socket extends FileDescriptor {
  /** socket(2). `type` may have SOCK.NONBLOCK. */
  static make(
    { task }: TaskLike,
    domain: number,
    type: number,
    protocol = 0,
  ): Effect.Effect<Socket, near.SyscallFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Socket,
      task,
      near.socket(task.sysif, domain, near.withFlags(type, SOCK.CLOEXEC), protocol),
    );
  }

  /** socketpair(2) */
  static pair(
    { task }: TaskLike,
    domain: number = AF.UNIX,
    type: number = SOCK.STREAM,
  ): Effect.Effect<[Socket, Socket], MallocFailure, Scope.Scope> {
    return near.acquire(
      Effect.flatMap(
        task.withMemory(8, 4, (fds) =>
          Effect.andThen(
            near.socketpair(task.sysif, domain, near.withFlags(type, SOCK.CLOEXEC), 0, fds),
            task.sysif.read(fds, 8),
          ),
        ),
        (bytes) =>
          near.decoded("socketpair", undefined, (): [Socket, Socket] => {
            const [first, second] = decodeFds(bytes) as [near.Fd, near.Fd];
            return [
              FileDescriptor.opened(Socket, task, first),
              FileDescriptor.opened(Socket, task, second),
            ];
          }),
      ),
      FileDescriptor.releaseAll,
    );
  }

  /** Makes a socket of a descriptor of unknown kind, if the kernel confirms that it is one. */
  static from(fd: FileDescriptor): Effect.Effect<Socket, IoFailure | WrongKindError, Scope.Scope> {
    return fd.narrow(Socket);
  }

  /** The name of the kind in errors. */
  static readonly kind = "socket";

  /** Asks the kernel whether a descriptor is a socket. See `FileDescriptor.narrow`. */
  static confirm(task: Task, fd: near.Fd): Effect.Effect<boolean, MallocFailure> {
    return getOption(task, fd, SO_TYPE, () => `fd ${fd}`).pipe(
      Effect.as(true),
      near.catchErrno(["ENOTSOCK", "EBADF"], () => Effect.succeed(false)),
    );
  }

  /** bind(2). For paths that are too long for an address see `bindUnix`. */
  bind(address: Sockaddr | Uint8Array, subject?: string): Effect.Effect<void, IoFailure> {
    return this.#withAddress("bind", address, subject, (fd, at, length) =>
      near.bind(this.task.sysif, fd, at, length),
    );
  }

  /** connect(2). For paths that are too long for an address see `connectUnix`. */
  connect(address: Sockaddr | Uint8Array, subject?: string): Effect.Effect<void, IoFailure> {
    return this.#withAddress("connect", address, subject, (fd, at, length) =>
      near.connect(this.task.sysif, fd, at, length),
    );
  }

  #withAddress(
    syscall: string,
    address: Sockaddr | Uint8Array,
    subject: string | undefined,
    use: (fd: near.Fd, at: near.Address, length: number) => near.Syscall<void>,
  ): Effect.Effect<void, IoFailure> {
    const about = subject ?? addressText(address);
    return this.use((fd) =>
      Effect.flatMap(addressBytes(syscall, address), (bytes) =>
        this.task.withBytes(
          bytes,
          (at) => {
            const call = use(fd, at, bytes.length);
            return about === undefined ? call : call.about(about);
          },
          4,
        ),
      ),
    );
  }

  /**
   * bind(2) to an address, and getsockname(2) in the same round trip: port 0 is a free port, which the result has.
   *
   * @example
   * ```ts
   * import { AF, SOCK } from "@rsyscall/abi";
   * import { Socket } from "@rsyscall/handle";
   * import { LocalThread } from "@rsyscall/thread";
   * import { Effect } from "effect";
   *
   * const program = Effect.gen(function* () {
   *   const socket = yield* Socket.make(yield* LocalThread, AF.INET, SOCK.STREAM);
   *   const { port } = yield* socket.bindFree({ family: "inet", address: "127.0.0.1", port: 0 });
   *   console.log(port > 0); // true
   * });
   * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
   * ```
   */
  bindFree<A extends Sockaddr>(
    address: A,
  ): Effect.Effect<Extract<Sockaddr, { readonly family: A["family"] }>, IoFailure> {
    const about = addressText(address);
    const size = SOCKADDR_STORAGE_SIZE;
    const { sysif } = this.task;
    return this.use((fd) =>
      Effect.flatMap(addressBytes("bind", address), (bytes) =>
        this.task.withMemory(2 * size + 4, 8, (at) => {
          const length = near.Address(at + 2 * size);
          const nameAt = near.Address(at + size);
          const block = new Uint8Array(2 * size + 4);
          block.set(bytes);
          Uint32.encode(size, block.subarray(2 * size));
          const bind = near.bind(sysif, fd, at, bytes.length);
          const both = near.batchThen(
            [
              about === undefined ? bind : bind.about(about),
              near.getsockname(sysif, fd, nameAt, length),
            ],
            sysif.read(nameAt, size + 4),
          );
          return Effect.flatMap(Effect.andThen(sysif.write(at, block), both), ([, name]) => {
            const bound = decodedName(name);
            return bound?.family === address.family
              ? Effect.succeed(bound as Extract<Sockaddr, { readonly family: A["family"] }>)
              : Effect.fail(near.impossible("getsockname", `fd ${fd}`, "another address family"));
          });
        }),
      ),
    );
  }

  /** getsockname(2). */
  address(): Effect.Effect<Sockaddr | undefined, IoFailure> {
    return this.#getAddress(near.getsockname);
  }

  /** getpeername(2): ENOTCONN if there is no peer. */
  peerAddress(): Effect.Effect<Sockaddr | undefined, IoFailure> {
    return this.#getAddress(near.getpeername);
  }

  #getAddress(get: typeof near.getsockname): Effect.Effect<Sockaddr | undefined, IoFailure> {
    const size = SOCKADDR_STORAGE_SIZE;
    const { sysif } = this.task;
    return this.use((fd) =>
      this.task.withMemory(size + 4, 4, (address) => {
        const length = near.Address(address + size);
        const ask = near.batchThen(
          [get(sysif, fd, address, length)],
          sysif.read(address, size + 4),
        );
        return Effect.map(
          Effect.andThen(sysif.write(length, encode(Uint32, size)), ask),
          ([, bytes]) => decodedName(bytes),
        );
      }),
    );
  }

  /**
   * getsockopt(2) of an option by its name: `getOption(SO_LINGER)` gives a `Linger`. ENOPROTOOPT if this kind of socket,
   * or this kernel, does not have it.
   */
  getOption<A>(option: ReadableOption<A>): Effect.Effect<A, IoFailure>;
  /** getsockopt(2) of an option by its level and number, which is an int. */
  getOption(level: number, number: number): Effect.Effect<number, IoFailure>;
  getOption<A>(option: number | ReadableOption<A>, number = 0): Effect.Effect<A, IoFailure> {
    return this.use((fd) => {
      if (typeof option !== "number")
        return explained(option)(
          getOption(this.task, fd, option, () => `${option.name} of fd ${fd}`),
        );
      const get = INT.get as unknown as ReadableOption<A>["get"];
      return getOption(this.task, fd, { level: option, number, get }, () => `fd ${fd}`);
    });
  }

  /**
   * setsockopt(2) of an option by its name: `setOption(TCP_NODELAY, true)`. InvalidArgumentError for a value that its
   * type cannot have.
   */
  setOption<A>(option: WritableOption<A>, value: A): Effect.Effect<void, IoFailure>;
  /** setsockopt(2) of an option by its level and number, which is an int. */
  setOption(level: number, number: number, value: number): Effect.Effect<void, IoFailure>;
  setOption<A>(
    option: number | WritableOption<A>,
    valueOrNumber: A | number,
    value?: number,
  ): Effect.Effect<void, IoFailure> {
    return this.use((fd) =>
      typeof option === "number"
        ? this.#setOption(
            fd,
            { level: option, number: valueOrNumber as number, set: INT.set },
            value as number,
            () => `fd ${fd}`,
          )
        : explained(option)(
            this.#setOption(fd, option, valueOrNumber as A, () => `${option.name} of fd ${fd}`),
          ),
    );
  }

  #setOption<A>(
    fd: near.Fd,
    { level, number, set }: Pick<WritableOption<A>, "level" | "number" | "set">,
    value: A,
    subject: () => string,
  ): Effect.Effect<void, MallocFailure> {
    const expected = `a value of ${set.name}`;
    const fields = { syscall: "setsockopt", argument: "value", value, expected };
    return Effect.flatMap(
      encodedBy(fields, () => {
        const bytes = new Uint8Array(set.sizeOf(value));
        set.encode(value, bytes);
        return bytes;
      }),
      (bytes) =>
        this.task.withBytes(
          bytes,
          (at) =>
            near.setsockopt(this.task.sysif, fd, level, number, at, bytes.length).about(subject),
          set.alignment,
        ),
    );
  }

  /** listen(2) */
  listen(backlog: number): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.listen(this.task.sysif, fd, backlog));
  }

  /** accept4(2) */
  accept(flags = 0): Effect.Effect<Socket, IoFailure, Scope.Scope> {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      FileDescriptor.acquire(
        Socket,
        this.task,
        near.accept4(
          this.task.sysif,
          fd,
          near.NULL,
          near.NULL,
          near.withFlags(flags, SOCK.CLOEXEC),
        ),
      ),
    );
  }

  /** accept4(2), with the address of the peer; undefined if it has none. */
  acceptFrom(
    flags = 0,
  ): Effect.Effect<[socket: Socket, peer: Sockaddr | undefined], IoFailure, Scope.Scope> {
    const size = SOCKADDR_STORAGE_SIZE;
    const { task } = this;
    return this.useWhenReady(EPOLL.IN, (fd) =>
      task.withMemory(size + 4, 8, (at) => {
        const length = near.Address(at + size);
        const accept = near.accept4(
          task.sysif,
          fd,
          at,
          length,
          near.withFlags(flags, SOCK.CLOEXEC),
        );
        return Effect.flatMap(
          FileDescriptor.acquire(
            Socket,
            task,
            Effect.andThen(task.sysif.write(length, encode(Uint32, size)), accept),
          ),
          (socket) =>
            Effect.map(task.sysif.read(at, size + 4), (name): [Socket, Sockaddr | undefined] => [
              socket,
              decodedName(name),
            ]),
        );
      }),
    );
  }

  /** As `useWhenReady`, except for calls that do not wait because of their flags. */
  #useWhenReady<A, E, R>(
    direction: Direction,
    flags: number,
    operation: (fd: near.Fd, most: number) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | IoFailure, R> {
    return flags & (direction === EPOLL.IN ? NEVER_WAIT : MSG.DONTWAIT)
      ? this.use((fd) => operation(fd, Number.POSITIVE_INFINITY))
      : this.useWhenReady(direction, operation);
  }

  /** shutdown(2) */
  shutdown(how: number): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.shutdown(this.task.sysif, fd, how));
  }

  /** send(2) of a buffer, which is consumed. Returns the part that was sent, and the rest. Never raises SIGPIPE. */
  send(
    buffer: Pointer<Uint8Array>,
    flags = 0,
  ): Effect.Effect<
    [sent: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    PtrFailure | BorrowFailure
  > {
    return this.#useWhenReady(EPOLL.OUT, flags, (fd, most) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(
          near.send(
            this.task.sysif,
            fd,
            address,
            Math.min(buffer.size, most),
            near.withFlags(flags, MSG.NOSIGNAL),
          ),
          (count) => buffer.readableSplit(count),
        ),
      ),
    );
  }

  /**
   * recv(2) into a buffer, which is consumed. Returns the part that was received, which is empty at the end of a
   * stream, and the rest.
   */
  recv(
    buffer: Pointer<Uint8Array>,
    flags = 0,
  ): Effect.Effect<
    [received: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    PtrFailure | BorrowFailure
  > {
    return Effect.flatMap(
      this.#receive(buffer.size, flags, (fd, done, flags) =>
        Effect.flatMap(buffer.borrow(this.task), (address) =>
          near.recv(this.task.sysif, fd, near.Address(address + done), buffer.size - done, flags),
        ),
      ),
      // With MSG.TRUNC the kernel returns the size of the datagram, which may exceed the buffer.
      (count) => buffer.readableSplit(flags & MSG.TRUNC ? Math.min(count, buffer.size) : count),
    );
  }

  /**
   * Receives by a call that gets the number of bytes that have come already, and gives that of those that it adds.
   *
   * Where a call must not wait, MSG.WAITALL must not either: a part of the bytes is enough for the descriptor to be
   * ready, and the kernel would then wait for the others. So the call is made again for each part that comes. Only a
   * stream has parts: of datagrams, the kernel receives one.
   */
  #receive<E>(
    size: number,
    flags: number,
    call: (fd: near.Fd, done: number, flags: number) => Effect.Effect<number, E>,
  ): Effect.Effect<number, E | IoFailure> {
    const once = (done: number, flags: number) =>
      this.#useWhenReady(EPOLL.IN, flags, (fd) => call(fd, done, flags));
    if (!this.#mustNotWaitForAll(flags)) return once(0, flags);
    if (flags & MSG.PEEK) return Effect.fail(waitsForAll("recvfrom", flags, "peek without it"));
    // The flag is set, so that this only clears it, also of a number that is refused.
    const parts = flags - MSG.WAITALL;
    const further = (done: number): Effect.Effect<number, E | IoFailure> =>
      once(done, parts).pipe(
        // As the kernel does: what has come is the result, and not what ended it.
        Effect.catch((error) =>
          done > 0 && error instanceof near.SyscallError ? Effect.succeed(0) : Effect.fail(error),
        ),
        Effect.flatMap((count) =>
          count === 0 || done + count >= size
            ? Effect.succeed(done + count)
            : further(done + count),
        ),
      );
    return Effect.flatMap(this.getOption(SO_TYPE), (type) =>
      type === SOCK.STREAM ? further(0) : once(0, parts),
    );
  }

  #mustNotWaitForAll(flags: number): boolean {
    return (
      this.task.patience !== undefined && (flags & MSG.WAITALL) !== 0 && (flags & NEVER_WAIT) === 0
    );
  }

  /** send(2). Gives how many of the bytes were sent. Never raises SIGPIPE, as `writeBytes` does. */
  sendBytes(bytes: Uint8Array, flags = 0): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return this.sendMessage({ bytes }, flags);
  }

  /** send(2), repeated until all bytes are sent. Never raises SIGPIPE, as `writeAllBytes` does. */
  sendAllBytes(bytes: Uint8Array): Effect.Effect<void, MallocFailure | BorrowFailure> {
    return bytes.length === 0
      ? this.use(() => Effect.void)
      : writeAll(
          bytes.length,
          (done) => this.sendBytes(bytes.subarray(done)),
          nothingWritten("sendmsg", `fd ${this.near}`),
        );
  }

  /**
   * recv(2) of at most `size` bytes. Empty at the end of a stream. With MSG.WAITALL it waits for all of them; an
   * interruption loses those that have come.
   */
  recvBytes(size = 65536, flags = 0): Effect.Effect<Uint8Array, IoFailure> {
    return Effect.suspend(() => {
      const parts: Array<Uint8Array> = [];
      const received = this.#receive(size, flags, (fd, done, flags) =>
        this.task.withMemory(size - done, 1, (at) =>
          Effect.flatMap(near.recv(this.task.sysif, fd, at, size - done, flags), (count) =>
            count === 0
              ? Effect.succeed(0)
              : Effect.map(this.task.sysif.read(at, Math.min(count, size - done)), (part) => {
                  parts.push(part);
                  return count;
                }),
          ),
        ),
      );
      return Effect.map(received, () => joined(parts));
    });
  }

  /** sendto(2): sends a datagram to an address. Gives the number of its bytes. */
  sendTo(
    bytes: Uint8Array,
    address: Sockaddr | Uint8Array,
    flags = 0,
  ): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return checked(
      "sendmsg",
      [argument("bytes", bytes, byteArray)],
      this.sendMessage({ bytes, address }, flags),
    );
  }

  /** recvfrom(2): receives at most `size` bytes, with the address that they come from. Closes descriptors that come. */
  receiveFrom(size = 65536, flags = 0): Effect.Effect<ReceivedFrom, IoFailure> {
    return Effect.scoped(
      Effect.map(
        this.receiveMessage({ size, control: 0, pidfd: false }, flags),
        ({ bytes, address, flags, length }) => ({ bytes, address, flags, length }),
      ),
    );
  }

  /**
   * sendmsg(2) of bytes with descriptors (SCM_RIGHTS), which stay open here. Returns the number of bytes sent;
   * the descriptors go with the first one.
   */
  sendFds(
    bytes: Uint8Array,
    fds: ReadonlyArray<FileDescriptor>,
    flags = 0,
  ): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return this.sendMessage({ bytes, fds }, flags);
  }

  /**
   * sendmsg(2): bytes, an address, descriptors and control messages, of which all may be missing. Gives the number of
   * bytes that were sent. Never raises SIGPIPE.
   *
   * @example
   * ```ts
   * import { AF, SO_PASSCRED, SOCK } from "@rsyscall/abi";
   * import { Socket } from "@rsyscall/handle";
   * import { LocalThread } from "@rsyscall/thread";
   * import { Effect } from "effect";
   *
   * const program = Effect.gen(function* () {
   *   const [here, there] = yield* Socket.pair(yield* LocalThread, AF.UNIX, SOCK.DGRAM);
   *   yield* there.setOption(SO_PASSCRED, true);
   *   yield* here.sendMessage({ bytes: [Uint8Array.of(1), Uint8Array.of(2, 3)], fds: [here] });
   *   const { bytes, fds, control } = yield* there.receiveMessage({ fds: 1 });
   *   console.log(bytes.length, fds.length, control.SCM_CREDENTIALS?.pid === process.pid); // 3 1 true
   * });
   * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
   * ```
   */
  sendMessage(
    message: OutgoingMessage,
    flags = 0,
  ): Effect.Effect<number, MallocFailure | BorrowFailure> {
    return this.#useWhenReady(EPOLL.OUT, flags, (fd, most) =>
      sendMessage(this.task, fd, message, most, near.withFlags(flags, MSG.NOSIGNAL)),
    );
  }

  /**
   * sendmmsg(2): several messages by one call. Gives the number of bytes of each message that was sent, at least of
   * the first one; the caller sends the others again. Never raises SIGPIPE.
   */
  sendMessages(
    messages: ReadonlyArray<OutgoingMessage>,
    flags = 0,
  ): Effect.Effect<ReadonlyArray<number>, MallocFailure | BorrowFailure> {
    return this.#useForSeveral(EPOLL.OUT, flags, (fd, flags) =>
      sendMessages(this.task, fd, messages, near.withFlags(flags, MSG.NOSIGNAL)),
    );
  }

  /**
   * recvmsg(2): one message, with its address, descriptors and control messages. The scope owns the descriptors, also
   * if the message was cut; MSG.TRUNC and MSG.CTRUNC are among its flags then. In this process MSG.WAITALL is refused.
   */
  receiveMessage(
    room: MessageRoom = {},
    flags = 0,
  ): Effect.Effect<ReceivedMessage, IoFailure, Scope.Scope> {
    if (this.#mustNotWaitForAll(flags))
      return Effect.fail(
        waitsForAll("recvmsg", flags, "receive again until all is there, or by `recvBytes`"),
      );
    return checkedRooms(
      "recvmsg",
      [room],
      this.#useWhenReady(EPOLL.IN, flags, (fd) =>
        near.acquire(receiveMessage(this.task, fd, room, flags), (message, exit) =>
          FileDescriptor.releaseAll(descriptorsOf(message), exit),
        ),
      ),
    );
  }

  /**
   * recvmmsg(2): as many messages as are there, at least one and at most as many as there are rooms. It waits for the
   * first one only.
   */
  receiveMessages(
    rooms: ReadonlyArray<MessageRoom>,
    flags = 0,
  ): Effect.Effect<ReadonlyArray<ReceivedMessage>, IoFailure, Scope.Scope> {
    return checkedRooms(
      "recvmmsg",
      rooms,
      this.#useForSeveral(EPOLL.IN, flags, (fd, flags) =>
        near.acquire(receiveMessages(this.task, fd, rooms, flags), (messages, exit) =>
          FileDescriptor.releaseAll(messages.flatMap(descriptorsOf), exit),
        ),
      ),
    );
  }

  /**
   * As `useWhenReady`, for a call that may wait again behind the first message. Where that would stop JavaScript, it
   * does not wait.
   */
  #useForSeveral<A, E, R>(
    direction: Direction,
    flags: number,
    operation: (fd: near.Fd, flags: number) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | IoFailure, R> {
    if (this.task.patience === undefined || flags & MSG.DONTWAIT)
      return this.use((fd) => operation(fd, flags));
    return this.useWhenReady(direction, (fd) =>
      operation(fd, near.withFlags(flags, MSG.DONTWAIT)),
    ).pipe(
      // Another process that shares the socket was faster. A non-blocking socket says so itself.
      near.catchErrno("EAGAIN", (error) =>
        Effect.flatMap(this.statusFlags(), (status) =>
          status & O.NONBLOCK
            ? Effect.fail(error)
            : this.#useForSeveral(direction, flags, operation),
        ),
      ),
    ) as Effect.Effect<A, E | IoFailure, R>;
  }

  /**
   * Refuses descriptors that are passed to this socket: the peer's sendmsg(2) fails with EPERM. Otherwise,
   * read(2) of bytes that come with a descriptor closes the descriptor within the call, which may block if it is
   * a socket with SO_LINGER. Kernels before 6.16 do not know SO_PASSRIGHTS; nothing changes there.
   */
  refuseFds(): Effect.Effect<void, MallocFailure | BorrowFailure> {
    return refuseFds(this.task, [this]);
  }

  /**
   * recvmsg(2): at most `size` bytes and `mostFds` descriptors. Further descriptors are closed, and MSG.CTRUNC is
   * among the flags then.
   */
  receiveFds(
    size: number,
    mostFds: number,
    flags = 0,
  ): Effect.Effect<Received, IoFailure, Scope.Scope> {
    const room = { size, fds: mostFds, control: 0, address: false, pidfd: false };
    return this.receiveMessage(room, flags);
  }

  /**
   * SO_PEERCRED: the credentials of the process that connected or listened at the other end of a Unix socket, at
   * that time. A socket that has no such process, as one of another family, has the pid 0 and the ids 2^32 - 1.
   */
  peerCredentials(): Effect.Effect<Ucred, IoFailure> {
    return this.getOption(SO_PEERCRED);
  }

  /**
   * SO_PEERPIDFD: a pidfd of the process that connected or listened at the other end of a Unix socket. Unlike a pid, it
   * never means another process. Since Linux 6.5, ENOPROTOOPT before; ESRCH or EINVAL if that process is gone.
   */
  peerPidfd(): Effect.Effect<Pidfd, IoFailure, Scope.Scope> {
    const { task } = this;
    const number = this.use((fd) =>
      explained(PEERPIDFD)(getOption(task, fd, PEERPIDFD, () => `SO_PEERPIDFD of fd ${fd}`)),
    );
    return FileDescriptor.acquire(
      Pidfd,
      task,
      Effect.map(number, ([fd]) => fd as near.Fd),
    );
  }

  /**
   * ioctl(2) with a `struct ifreq`, of netdevice(7): gives the value for the interface. ENODEV for a name that no
   * interface has; requests that set something need CAP_NET_ADMIN.
   *
   * @param request of `SIOC`
   * @param name of the interface; "" for a request that asks by another value
   * @param type the member of the struct: one of `ifreqs`
   * @param value that the request reads; by default none
   */
  ifreq<A>(
    request: number,
    name: string,
    type: FixedCodec<Ifreq<A>>,
    value?: A,
  ): Effect.Effect<Ifreq<A>, IoFailure> {
    return this.use((fd) => ifreq(this.task, fd, request, name, type, value));
  }
}
