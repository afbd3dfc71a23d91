import {
  AF,
  type ControlMessage,
  cmsgSpace,
  decodeControl,
  decodeSockaddr,
  EPOLL,
  encodeScmRights,
  encodeSockaddr,
  Int32,
  Iovec,
  MSG,
  Msghdr,
  SCM,
  SO,
  SOCK,
  SOCKADDR_STORAGE_SIZE,
  SOL,
  type Sockaddr,
  Ucred,
  Uint32,
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
import {
  argument,
  size as byteSize,
  checked,
  checkedCount,
  encoded,
  encodedBy,
} from "../internal/checked.ts";
import { decodeFds } from "../internal/decodeFds.ts";
import type { Direction } from "../Patience.ts";
import type { Pointer, ReadablePointer } from "../Pointer.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";

/** The result of recvmsg(2): bytes, and the descriptors that came with them. */
export interface Received {
  /** The bytes of the message, without its control messages. */
  readonly bytes: Uint8Array;
  /** In the receiving task's table, close-on-exec. */
  readonly fds: ReadonlyArray<FileDescriptor>;
  /**
   * `msg_flags`, of `MSG`: TRUNC if a datagram had more bytes, CTRUNC if there were more descriptors or other
   * control messages than there was room for, or than RLIMIT_NOFILE allows.
   */
  readonly flags: number;
  /** The result of the call: the size of the whole datagram if MSG.TRUNC is among its flags, else that of `bytes`. */
  readonly length: number;
}

/** Descriptors that one message can carry: SCM_MAX_FD of the kernel. */
const FDS_AT_MOST = 253;

/** Room for control messages beside descriptors: SCM_CREDENTIALS with SO_PASSCRED, SCM_PIDFD with SO_PASSPIDFD. */
const OTHER_CONTROL_SIZE = cmsgSpace(Ucred.size) + cmsgSpace(Int32.size);

/** The descriptors of control messages of a type. Throws RangeError for data that no kernel writes. */
const fdsOf = (messages: ReadonlyArray<ControlMessage>, type: number): ReadonlyArray<near.Fd> =>
  messages
    .filter((message) => message.level === SOL.SOCKET && message.type === type)
    .flatMap(({ data }) => decodeFds(data));

/** The addresses that bind(2) and connect(2) take, in words. */
const ADDRESS = "the address of a socket, of one of the families of Sockaddr, or bytes";

const addressText = (address: Sockaddr): string =>
  address.family === "unix"
    ? near.pathText(address.path)
    : `${address.address} port ${address.port}`;

/** One block of memory with a message of one part: its header, control data, and bytes. */
const messageLayout = (size: number, controlSize: number) => {
  const dataAt = CONTROL_AT + controlSize;
  const header = (address: near.Address): Uint8Array => {
    const bytes = new Uint8Array(CONTROL_AT);
    const iov = address + Msghdr.size;
    const control = controlSize === 0 ? 0 : address + CONTROL_AT;
    const controlLength = controlSize;
    Msghdr.encode(
      { name: 0, nameLength: 0, iov, iovLength: 1, control, controlLength, flags: 0 },
      bytes,
    );
    Iovec.encode({ base: address + dataAt, length: size }, bytes.subarray(Msghdr.size));
    return bytes;
  };
  return { dataAt, header };
};

const CONTROL_AT = Msghdr.size + Iovec.size;

const getIntOption = (
  task: Task,
  fd: near.Fd,
  level: number,
  option: number,
): Effect.Effect<number, MallocFailure> => {
  const { sysif } = task;
  return task.withMemory(8, 4, (value) => {
    const length = near.Address(value + 4);
    const get = near.batchThen(
      [near.getsockopt(sysif, fd, level, option, value, length)],
      sysif.read(value, 4),
    );
    return Effect.map(Effect.andThen(sysif.write(length, encode(Uint32, 4)), get), ([, bytes]) =>
      Int32.decode(bytes),
    );
  });
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
    return getIntOption(task, fd, SOL.SOCKET, SO.TYPE).pipe(
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
    const about = subject ?? (address instanceof Uint8Array ? undefined : addressText(address));
    const fields = { syscall, argument: "address", value: address, expected: ADDRESS };
    const encoding = encodedBy(fields, () =>
      address instanceof Uint8Array ? address : encodeSockaddr(address),
    );
    return this.use((fd) =>
      Effect.flatMap(encoding, (bytes) =>
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

  /** getsockname(2): undefined for a family that `Sockaddr` does not have. */
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
          ([, bytes]) => {
            // A longer address is cut.
            const known = Math.min(Uint32.decode(bytes.subarray(size)), size);
            return decodeSockaddr(bytes.subarray(0, known));
          },
        );
      }),
    );
  }

  /** getsockopt(2), of an option that is an int. */
  getOption(level: number, option: number): Effect.Effect<number, IoFailure> {
    return this.use((fd) => getIntOption(this.task, fd, level, option));
  }

  /** setsockopt(2), of an option that is an int; EINVAL for a value that is not. */
  setOption(level: number, option: number, value: number): Effect.Effect<void, IoFailure> {
    return this.use((fd) =>
      Effect.flatMap(encoded("setsockopt", "value", Int32, value), (bytes) =>
        this.task.withBytes(
          bytes,
          (at) => near.setsockopt(this.task.sysif, fd, level, option, at, bytes.length),
          Int32.alignment,
        ),
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

  /** As `useWhenReady`, except for calls with MSG.DONTWAIT, which do not wait. */
  #useWhenReady<A, E, R>(
    direction: Direction,
    flags: number,
    operation: (fd: near.Fd, most: number) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | IoFailure, R> {
    return flags & MSG.DONTWAIT
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
    return this.#useWhenReady(EPOLL.IN, flags, (fd) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(near.recv(this.task.sysif, fd, address, buffer.size, flags), (count) =>
          // With MSG.TRUNC the kernel returns the size of the datagram, which may exceed the buffer.
          buffer.readableSplit(flags & MSG.TRUNC ? Math.min(count, buffer.size) : count),
        ),
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
    return this.#useWhenReady(EPOLL.OUT, flags, (fd, most) =>
      Effect.flatMap(
        Effect.forEach(fds, (each) => each.borrow(this.task)),
        (numbers) => {
          const rights = encodeScmRights(numbers);
          const part = bytes.subarray(0, most);
          const { dataAt, header } = messageLayout(part.length, rights.length);
          return this.task.withMemory(dataAt + part.length, 8, (address) => {
            const block = new Uint8Array(dataAt + part.length);
            block.set(header(address));
            block.set(rights, CONTROL_AT);
            block.set(part, dataAt);
            const send = near.sendmsg(
              this.task.sysif,
              fd,
              address,
              near.withFlags(flags, MSG.NOSIGNAL),
            );
            return Effect.andThen(
              this.task.sysif.write(address, block),
              checkedCount("sendmsg", send, part.length),
            );
          });
        },
      ),
    );
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
    return this.#useWhenReady(EPOLL.IN, flags, (fd) =>
      near.acquire(
        checked(
          "recvmsg",
          [argument("size", size, byteSize), argument("mostFds", mostFds, byteSize)],
          Effect.suspend(() => this.#receive(fd, size, Math.min(mostFds, FDS_AT_MOST), flags)),
        ),
        ({ fds }, exit) => FileDescriptor.releaseAll(fds, exit),
      ),
    );
  }

  #receive(
    fd: near.Fd,
    size: number,
    mostFds: number,
    flags: number,
  ): Effect.Effect<Received, MallocFailure> {
    const { task } = this;
    const controlSize = cmsgSpace(4 * mostFds) + OTHER_CONTROL_SIZE;
    const { dataAt, header } = messageLayout(size, controlSize);
    return task.withMemory(dataAt + size, 8, (address) =>
      Effect.gen(function* () {
        yield* task.sysif.write(address, header(address));
        const call = near.recvmsg(task.sysif, fd, address, near.withFlags(flags, MSG.CMSG_CLOEXEC));
        const most = flags & MSG.TRUNC ? Number.MAX_SAFE_INTEGER : size;
        const length = yield* checkedCount("recvmsg", call, most);
        const block = yield* task.sysif.read(address, dataAt + Math.min(length, size));
        const message = yield* near.decoded("recvmsg", `fd ${fd}`, () => {
          const { flags, controlLength } = Msghdr.decode(block);
          const control = block.subarray(CONTROL_AT, CONTROL_AT + controlLength);
          const messages = decodeControl(control.subarray(0, controlSize));
          const rights = fdsOf(messages, SCM.RIGHTS);
          // The kernel may have used the room for other messages for descriptors that were not asked for.
          const others = [...rights.slice(mostFds), ...fdsOf(messages, SCM.PIDFD)];
          return { flags, rights: rights.slice(0, mostFds), others };
        });
        for (const other of message.others)
          yield* FileDescriptor.opened(FileDescriptor, task, other).release();
        const isCut = message.others.length > 0;
        return {
          bytes: block.slice(dataAt),
          fds: message.rights.map((number) => {
            const received = FileDescriptor.opened(FileDescriptor, task, number);
            received.isShared = true;
            return received;
          }),
          flags: (message.flags & ~MSG.CMSG_CLOEXEC) | (isCut ? MSG.CTRUNC : 0),
          length,
        };
      }),
    );
  }

  /**
   * SO_PEERCRED: the credentials of the process that connected or listened at the other end of a Unix socket, at
   * that time.
   */
  peerCredentials(): Effect.Effect<Ucred, IoFailure> {
    const size = Ucred.size;
    return this.use((fd) =>
      this.task.withMemory(size + 4, 4, (value) => {
        const length = near.Address(value + size);
        const get = near.batchThen(
          [near.getsockopt(this.task.sysif, fd, SOL.SOCKET, SO.PEERCRED, value, length)],
          this.task.sysif.read(value, size),
        );
        return Effect.map(
          Effect.andThen(this.task.sysif.write(length, encode(Uint32, size)), get),
          ([, bytes]) => Ucred.decode(bytes),
        );
      }),
    );
  }
}
