import {
  AF,
  cmsgSpace,
  decodeControl,
  decodeSockaddr,
  EPOLL,
  encodeScmRights,
  encodeSockaddr,
  Int32,
  Iovec,
  listOf,
  MSG,
  Msghdr,
  S_IF,
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
import { Effect, type Scope } from "effect";
import { encode } from "../encode.ts";
import type { HandleFailure, WrongKindError } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { checkedCount, encoded } from "../internal/checked.ts";
import type { Direction } from "../Patience.ts";
import type { Pointer, ReadablePointer } from "../Pointer.ts";
import type { MallocFailure, Task } from "../Task.ts";

/** Descriptors and bytes that came in one message. */
export interface Received {
  readonly bytes: Uint8Array;
  /** In the receiving task's table, close-on-exec. */
  readonly fds: ReadonlyArray<FileDescriptor>;
}

const fdPair = listOf(Int32);

const addressText = (address: Sockaddr): string =>
  address.family === "unix"
    ? near.pathText(address.path)
    : `${address.address} port ${address.port}`;

/** A socket: sys/socket.h. Close-on-exec, as all that we make. */
export class Socket extends FileDescriptor {
  /** socket(2). `type` may have SOCK.NONBLOCK. */
  static make(
    task: Task,
    domain: number,
    type: number,
    protocol = 0,
  ): Effect.Effect<Socket, near.SyscallFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Socket,
      task,
      near.socket(task.sysif, domain, type | SOCK.CLOEXEC, protocol),
    );
  }

  /** socketpair(2) */
  static pair(
    task: Task,
    domain: number = AF.UNIX,
    type: number = SOCK.STREAM,
  ): Effect.Effect<[Socket, Socket], MallocFailure, Scope.Scope> {
    return near.acquire(
      Effect.map(
        task.withMemory(8, 4, (fds) =>
          Effect.andThen(
            near.socketpair(task.sysif, domain, type | SOCK.CLOEXEC, 0, fds),
            task.sysif.read(fds, 8),
          ),
        ),
        (bytes): [Socket, Socket] => {
          const [first, second] = fdPair.decode(bytes) as [number, number];
          return [
            FileDescriptor.opened(Socket, task, near.Fd(first)),
            FileDescriptor.opened(Socket, task, near.Fd(second)),
          ];
        },
      ),
      ([first, second]) => Effect.andThen(first.release, second.release),
    );
  }

  /** A descriptor of unknown kind as a socket, if the kernel says so. */
  static from(
    fd: FileDescriptor,
  ): Effect.Effect<Socket, HandleFailure | WrongKindError, Scope.Scope> {
    return fd["narrow"](Socket, S_IF.SOCK, "socket");
  }

  /** bind(2). For paths that are too long for an address see `bindUnix`. */
  bind(address: Sockaddr | Uint8Array, subject?: string): Effect.Effect<void, HandleFailure> {
    return this.#withAddress("bind", address, subject, (fd, at, length, about) =>
      near.bind(this.task.sysif, fd, at, length, about),
    );
  }

  /** connect(2). For paths that are too long for an address see `connectUnix`. */
  connect(address: Sockaddr | Uint8Array, subject?: string): Effect.Effect<void, HandleFailure> {
    return this.#withAddress("connect", address, subject, (fd, at, length, about) =>
      near.connect(this.task.sysif, fd, at, length, about),
    );
  }

  #withAddress(
    syscall: string,
    address: Sockaddr | Uint8Array,
    subject: string | undefined,
    use: (
      fd: near.Fd,
      at: near.Address,
      length: number,
      subject: string | undefined,
    ) => Effect.Effect<void, HandleFailure>,
  ): Effect.Effect<void, HandleFailure> {
    const about = subject ?? (address instanceof Uint8Array ? undefined : addressText(address));
    const bytes = () => (address instanceof Uint8Array ? address : encodeSockaddr(address));
    return this.use((fd) =>
      Effect.flatMap(encoded(syscall, about, bytes), (bytes) =>
        this.task.withBytes(bytes, (at) => use(fd, at, bytes.length, about), 4),
      ),
    );
  }

  /** getsockname(2): undefined for a family that is not known here. */
  get address(): Effect.Effect<Sockaddr | undefined, HandleFailure> {
    return this.#getAddress(near.getsockname);
  }

  /** getpeername(2): ENOTCONN if there is no peer. */
  get peerAddress(): Effect.Effect<Sockaddr | undefined, HandleFailure> {
    return this.#getAddress(near.getpeername);
  }

  #getAddress(get: typeof near.getsockname): Effect.Effect<Sockaddr | undefined, HandleFailure> {
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
          ([, bytes]) => decodeSockaddr(bytes.subarray(0, Uint32.decode(bytes.subarray(size)))),
        );
      }),
    );
  }

  /** getsockopt(2), of an option that is an int. */
  getOption(level: number, option: number): Effect.Effect<number, HandleFailure> {
    const { sysif } = this.task;
    return this.use((fd) =>
      this.task.withMemory(8, 4, (value) => {
        const length = near.Address(value + 4);
        const get = near.batchThen(
          [near.getsockopt(sysif, fd, level, option, value, length)],
          sysif.read(value, 4),
        );
        return Effect.map(
          Effect.andThen(sysif.write(length, encode(Uint32, 4)), get),
          ([, bytes]) => Int32.decode(bytes),
        );
      }),
    );
  }

  /** setsockopt(2), of an option that is an int. */
  setOption(level: number, option: number, value: number): Effect.Effect<void, HandleFailure> {
    return this.use((fd) =>
      this.task.withValue(Int32, value, (at) =>
        near.setsockopt(this.task.sysif, fd, level, option, at, 4),
      ),
    );
  }

  /** listen(2) */
  listen(backlog: number): Effect.Effect<void, HandleFailure> {
    return this.use((fd) => near.listen(this.task.sysif, fd, backlog));
  }

  /** accept4(2) */
  accept(flags = 0): Effect.Effect<Socket, HandleFailure, Scope.Scope> {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      FileDescriptor.acquire(
        Socket,
        this.task,
        near.accept4(this.task.sysif, fd, flags | SOCK.CLOEXEC),
      ),
    );
  }

  /** `useWhenReady`, but for calls that are told not to wait. */
  #useWhenReady<A, E, R>(
    direction: Direction,
    flags: number,
    operation: (fd: near.Fd, most: number) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | HandleFailure, R> {
    return flags & MSG.DONTWAIT
      ? this.use((fd) => operation(fd, Number.POSITIVE_INFINITY))
      : this.useWhenReady(direction, operation);
  }

  /** shutdown(2) */
  shutdown(how: number): Effect.Effect<void, HandleFailure> {
    return this.use((fd) => near.shutdown(this.task.sysif, fd, how));
  }

  /** send(2) of a buffer: what was sent, and the rest. Never raises SIGPIPE. */
  send(
    buffer: Pointer<Uint8Array>,
    flags = 0,
  ): Effect.Effect<[sent: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>], HandleFailure> {
    return this.#useWhenReady(EPOLL.OUT, flags, (fd, most) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(
          near.send(
            this.task.sysif,
            fd,
            address,
            Math.min(buffer.size, most),
            flags | MSG.NOSIGNAL,
          ),
          (count) => buffer.readableSplit(count),
        ),
      ),
    );
  }

  /** recv(2) into a buffer: what was received, and the rest. Empty at the end of a stream. */
  recv(
    buffer: Pointer<Uint8Array>,
    flags = 0,
  ): Effect.Effect<
    [received: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    HandleFailure
  > {
    return this.#useWhenReady(EPOLL.IN, flags, (fd) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(near.recv(this.task.sysif, fd, address, buffer.size, flags), (count) =>
          buffer.readableSplit(count),
        ),
      ),
    );
  }

  /**
   * sendmsg(2) of bytes with descriptors (SCM_RIGHTS), which stay open here. Gives the number of
   * bytes sent; the descriptors go with the first.
   */
  sendFds(
    bytes: Uint8Array,
    fds: ReadonlyArray<FileDescriptor>,
    flags = 0,
  ): Effect.Effect<number, HandleFailure> {
    return this.#useWhenReady(EPOLL.OUT, flags, (fd, most) =>
      Effect.flatMap(
        Effect.forEach(fds, (each) => each.borrow(this.task)),
        (numbers) => {
          const rights = encodeScmRights(numbers);
          return this.#withMessage(bytes.subarray(0, most), rights, (message) =>
            near.sendmsg(this.task.sysif, fd, message, flags | MSG.NOSIGNAL),
          );
        },
      ),
    );
  }

  /**
   * recvmsg(2): at most `size` bytes and `mostFds` descriptors. More descriptors than that are
   * closed by the kernel.
   */
  receiveFds(
    size: number,
    mostFds: number,
    flags = 0,
  ): Effect.Effect<Received, HandleFailure, Scope.Scope> {
    const controlSize = cmsgSpace(4 * mostFds);
    const receive = (fd: near.Fd) =>
      this.#withMessage(new Uint8Array(size), new Uint8Array(controlSize), (message, data) =>
        Effect.gen({ self: this }, function* () {
          const receive = near.recvmsg(this.task.sysif, fd, message, flags | MSG.CMSG_CLOEXEC);
          const count = yield* checkedCount("recvmsg", receive, size);
          const filled = Msghdr.decode(yield* this.task.sysif.read(message, Msghdr.size));
          const control = yield* this.task.sysif.read(
            near.Address(filled.control),
            Math.min(filled.controlLength, controlSize),
          );
          const fds = decodeControl(control)
            .filter(({ level, type }) => level === SOL.SOCKET && type === SCM.RIGHTS)
            .flatMap(({ data: numbers }) => fdPair.decode(numbers))
            .map((number) => {
              const received = FileDescriptor.opened(FileDescriptor, this.task, near.Fd(number));
              received.isShared = true;
              return received;
            });
          return { bytes: yield* this.task.sysif.read(data, count), fds };
        }),
      );
    return this.#useWhenReady(EPOLL.IN, flags, (fd) =>
      Effect.acquireRelease(receive(fd), ({ fds }) =>
        Effect.forEach(fds, (fd) => fd.release, { discard: true }),
      ),
    );
  }

  /** One block of memory with a message of one part, its control data and its bytes. */
  #withMessage<A, E>(
    bytes: Uint8Array,
    control: Uint8Array,
    use: (message: near.Address, data: near.Address) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | MallocFailure> {
    const iovAt = Msghdr.size;
    const controlAt = iovAt + Iovec.size;
    const dataAt = controlAt + control.length;
    return this.task.withMemory(dataAt + bytes.length, 8, (address) => {
      const block = new Uint8Array(dataAt + bytes.length);
      const data = near.Address(address + dataAt);
      block.set(
        encode(Msghdr, {
          name: 0,
          nameLength: 0,
          iov: address + iovAt,
          iovLength: 1,
          control: control.length === 0 ? 0 : address + controlAt,
          controlLength: control.length,
          flags: 0,
        }),
      );
      block.set(encode(Iovec, { base: data, length: bytes.length }), iovAt);
      block.set(control, controlAt);
      block.set(bytes, dataAt);
      return Effect.andThen(this.task.sysif.write(address, block), use(address, data));
    });
  }

  /** SO_PEERCRED: who connected or listened at the other end of a Unix socket, when it did. */
  get peerCredentials(): Effect.Effect<Ucred, HandleFailure> {
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
