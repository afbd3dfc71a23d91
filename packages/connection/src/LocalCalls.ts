import {
  AF,
  ChildSiginfo,
  cmsgSpace,
  decodeControl,
  Errno,
  encodeScmRights,
  F,
  Int32,
  Iovec,
  listOf,
  MAP,
  MSG,
  Msghdr,
  P,
  PROT,
  RLIMIT,
  SCM,
  SEEK,
  SO,
  SOCK,
  SOL,
  type SyscallName,
  Ucred,
  W,
} from "@rsyscall/abi";
import {
  ChildState,
  FileDescriptor,
  type HandleFailure,
  type Pidfd,
  Socket,
  type Task,
} from "@rsyscall/handle";
import { unviewMemory, viewMemory } from "@rsyscall/native";
import { acquire, Fd, LocalSyscallInterface, oneLine, type Word } from "@rsyscall/near";
import { Effect, type Scope } from "effect";

/*
 * Effects on the descriptors of this process take several times as long as the system calls in them. What is done for
 * every process that calls a server is plain code here. It never waits: the sockets do not block.
 */

/** What one recvmsg(2) gives. */
export interface Message {
  /** Empty at the end of the stream. */
  readonly bytes: Uint8Array;
  /** In the table of this process, close-on-exec. */
  readonly fds: ReadonlyArray<FileDescriptor>;
}

/** Bytes of one message. */
const SIZE_AT_MOST = 64 * 1024;

/** Descriptors that one message can carry: SCM_MAX_FD of the kernel. */
const FDS_AT_MOST = 253;

/** Room for all descriptors, and for a SCM_CREDENTIALS and a SCM_PIDFD. */
const CONTROL_SIZE =
  cmsgSpace(Int32.size * FDS_AT_MOST) + cmsgSpace(Ucred.size) + cmsgSpace(Int32.size);

/** Of `msg_controllen`, and of `iov_len` in an iovec. */
const CONTROL_LENGTH_AT = 40;
const IOVEC_LENGTH = 8;
const IOVEC_AT = Msghdr.size;
/** Of the length that getsockopt(2) takes. */
const LENGTH_AT = IOVEC_AT + Iovec.size;
const CONTROL_AT = LENGTH_AT + 8;
const DATA_AT = CONTROL_AT + CONTROL_SIZE;

const numbers = listOf(Int32);

const callsOf = new WeakMap<Task, LocalCalls>();

/** System calls of a task that is this process, without Effects. A result below 0 is -errno. */
export class LocalCalls {
  /** This process. */
  readonly task: Task;
  readonly #block: Uint8Array;
  readonly #view: DataView;
  readonly #data: number;
  readonly #message: number;
  readonly #length: number;
  readonly #control: number;

  private constructor(task: Task, address: number, memory: ArrayBuffer) {
    this.task = task;
    this.#block = new Uint8Array(memory);
    this.#view = new DataView(memory);
    this.#data = address + DATA_AT;
    this.#message = address;
    this.#control = address + CONTROL_AT;
    this.#length = address + LENGTH_AT;
    Msghdr.encode(
      {
        name: 0,
        nameLength: 0,
        iov: address + IOVEC_AT,
        iovLength: 1,
        control: this.#control,
        controlLength: 0,
        flags: 0,
      },
      this.#block,
    );
    Iovec.encode({ base: this.#data, length: 0 }, this.#block.subarray(IOVEC_AT));
  }

  /** Makes those of a task that is this process, for the scope. */
  static make(task: Task): Effect.Effect<LocalCalls, HandleFailure, Scope.Scope> {
    const size = DATA_AT + SIZE_AT_MOST;
    return Effect.gen(function* () {
      if (LocalSyscallInterface.of(task.sysif) === undefined)
        return yield* Effect.die(new TypeError("these calls are made in this process"));
      const { address } = yield* acquire(task.allocator.malloc(size, 8), (got) => got.free());
      const memory = yield* acquire(
        Effect.sync(() => viewMemory(address, size)),
        (view) => Effect.sync(() => unviewMemory(view)),
      );
      return yield* acquire(
        Effect.sync(() => {
          const calls = new LocalCalls(task, address, memory);
          callsOf.set(task, calls);
          return calls;
        }),
        () => Effect.sync(() => callsOf.delete(task)),
      );
    });
  }

  /** Those of a task, which LocalThread has made. Undefined if the task is another process. */
  static of(task: Task): LocalCalls | undefined {
    return callsOf.get(task);
  }

  /**
   * As `of`, unless the task's calls go through a decorator: a trace shows what a call has written where an Effect
   * reads it.
   */
  static undecorated(task: Task): LocalCalls | undefined {
    return LocalSyscallInterface.of(task.sysif) === task.sysif ? callsOf.get(task) : undefined;
  }

  /**
   * socketpair(2) of Unix stream sockets: a handle of ours, close-on-fork, and the number of the far end, which is for
   * another process.
   */
  pair(): readonly [near: Socket, far: Fd] | number {
    const type = SOCK.STREAM | SOCK.CLOEXEC;
    const result = this.#call("socketpair", AF.UNIX, type, 0, this.#data);
    if (result < 0) return result;
    const near = this.#view.getInt32(DATA_AT, true);
    const socket = FileDescriptor.opened(Socket, this.task, Fd(near));
    socket.closeOnFork = true;
    return [socket, Fd(this.#view.getInt32(DATA_AT + Int32.size, true))];
  }

  /** F_DUPFD_CLOEXEC: another descriptor of a socket of this process, close-on-fork. */
  duplicate({ near }: Socket): Socket | number {
    const fd = this.#call("fcntl", near, F.DUPFD_CLOEXEC);
    if (fd < 0) return fd;
    const socket = FileDescriptor.opened(Socket, this.task, Fd(fd));
    socket.closeOnFork = true;
    return socket;
  }

  /** SO_PASSRIGHTS: as `Socket.refuseFds`, so kernels before 6.16 do nothing. */
  refuseFds({ near }: Socket): void {
    this.#view.setInt32(DATA_AT, 0, true);
    this.#call("setsockopt", near, SOL.SOCKET, SO.PASSRIGHTS, this.#data, Int32.size);
  }

  /** sendmsg(2) of a short message with descriptors, without waiting and without SIGPIPE. */
  sendFds({ near }: Socket, bytes: Uint8Array, fds: ReadonlyArray<Fd>): number {
    const control = encodeScmRights(fds);
    this.#block.set(bytes, DATA_AT);
    this.#block.set(control, CONTROL_AT);
    this.#setHeader(control.length, bytes.length);
    return this.#call("sendmsg", near, this.#message, MSG.DONTWAIT | MSG.NOSIGNAL);
  }

  /** close(2) of a far end of `pair`, which holds nothing that another process has sent. */
  closeFar(fd: Fd): void {
    this.#call("close", fd, 0);
  }

  /** RLIMIT_FSIZE: the bytes that a file may grow to. */
  fileSizeLimit(): bigint {
    const result = this.#call("prlimit64", 0, RLIMIT.FSIZE, 0, this.#data);
    return result < 0 ? 0n : this.#view.getBigUint64(DATA_AT, true);
  }

  /** F_GET_SEALS */
  seals({ near }: FileDescriptor): number {
    return this.#call("fcntl", near, F.GET_SEALS);
  }

  /** fstatfs(2): the `f_type`, the first of its words, of 8 bytes on both machines. */
  fileSystemType({ near }: FileDescriptor): bigint {
    const result = this.#call("fstatfs", near, this.#data);
    return result < 0 ? 0n : this.#view.getBigUint64(DATA_AT, true);
  }

  /** lseek(2) to the end: the size of a file in bytes, a bigint beyond 2^53. */
  endOf({ near }: FileDescriptor): Word {
    return this.#submit("lseek", near, 0, SEEK.END);
  }

  /** mmap(2) of the beginning of a file, for reading and writing. */
  map({ near }: FileDescriptor, length: number): number {
    return this.#call("mmap", 0, length, PROT.READ | PROT.WRITE, MAP.SHARED, near, 0);
  }

  /** munmap(2) */
  unmap(address: number, length: number): void {
    this.#call("munmap", address, length);
  }

  /** accept4(2) on a socket that does not block. The new one does not either. */
  accept(listening: Socket): Socket | number {
    const fd = this.#call("accept4", listening.near, 0, 0, SOCK.NONBLOCK | SOCK.CLOEXEC);
    if (fd < 0) return fd;
    const socket = FileDescriptor.opened(Socket, this.task, Fd(fd));
    socket.closeOnFork = true;
    return socket;
  }

  /** SO_PEERCRED: the process that has connected. */
  peerCredentials({ near }: Socket): Ucred | number {
    this.#view.setUint32(LENGTH_AT, Ucred.size, true);
    const error = this.#call("getsockopt", near, SOL.SOCKET, SO.PEERCRED, this.#data, this.#length);
    return error < 0 ? error : Ucred.decode(this.#block.subarray(DATA_AT, DATA_AT + Ucred.size));
  }

  /** recvmsg(2) of at most 64 KiB, with all descriptors that come, without waiting. */
  receive({ near }: Socket): Message | number {
    this.#setHeader(CONTROL_SIZE, SIZE_AT_MOST);
    const count = this.#call("recvmsg", near, this.#message, MSG.DONTWAIT | MSG.CMSG_CLOEXEC);
    if (count < 0) return count;
    const controlLength = this.#view.getUint32(CONTROL_LENGTH_AT, true);
    const fds = controlLength === 0 ? [] : this.#received(controlLength);
    return { bytes: this.#block.slice(DATA_AT, DATA_AT + Math.min(count, SIZE_AT_MOST)), fds };
  }

  /** What differs from one message to the next, in the header: sizes of 8 bytes, and the kernel changes the first. */
  #setHeader(controlLength: number, length: number): void {
    this.#view.setUint32(CONTROL_LENGTH_AT, controlLength, true);
    this.#view.setUint32(IOVEC_AT + IOVEC_LENGTH, length, true);
  }

  #received(length: number): ReadonlyArray<FileDescriptor> {
    const control = this.#block.subarray(CONTROL_AT, CONTROL_AT + Math.min(length, CONTROL_SIZE));
    return decodeControl(control)
      .filter(
        ({ level, type }) => level === SOL.SOCKET && (type === SCM.RIGHTS || type === SCM.PIDFD),
      )
      .flatMap(({ data }) => numbers.decode(data))
      .map((number) => {
        const fd = FileDescriptor.opened(FileDescriptor, this.task, Fd(number));
        fd.isShared = true;
        return fd;
      });
  }

  /** send(2) of at most 64 KiB, without waiting and without SIGPIPE: the number of bytes that the socket has taken. */
  send({ near }: Socket, bytes: Uint8Array): number {
    const size = Math.min(bytes.length, SIZE_AT_MOST);
    this.#block.set(size === bytes.length ? bytes : bytes.subarray(0, size), DATA_AT);
    const flags = MSG.DONTWAIT | MSG.NOSIGNAL;
    return Math.min(this.#call("sendto", near, this.#data, size, flags), size);
  }

  /** waitid(2) by a pidfd, without waiting: how the child has ended. Undefined if that is not known. */
  reap({ near }: Pidfd): ChildState | undefined {
    if (this.#call("waitid", P.PIDFD, near, this.#data, W.EXITED | W.NOHANG) < 0) return undefined;
    const info = ChildSiginfo.decode(this.#block.subarray(DATA_AT, DATA_AT + ChildSiginfo.size));
    return info.signo === 0 ? undefined : ChildState.from(info);
  }

  /** close(2) of a descriptor of this task, in any state. */
  close(fd: FileDescriptor): void {
    if (fd.isValid && fd.disown()) this.#call("close", fd.near, 0);
  }

  /** The result of a call that is a number. */
  #call(name: SyscallName, a: Word, b: Word, c: Word = 0, d: Word = 0, e: Word = 0, f: Word = 0) {
    return Number(this.#submit(name, a, b, c, d, e, f));
  }

  /** A call that is repeated if a signal has interrupted it. */
  #submit(
    name: SyscallName,
    a: Word,
    b: Word,
    c: Word,
    d: Word = 0,
    e: Word = 0,
    f: Word = 0,
  ): Word {
    const { abi, direct } = this.task.sysif;
    const number = abi.syscallNumber(name) ?? -1;
    for (;;) {
      const result = direct?.submit(number, a, b, c, d, e, f) as Word;
      if (result !== -Errno.EINTR || name === "close") return result;
    }
  }
}

oneLine(LocalCalls, () => "calls of this process");
