import {
  cmsgSpace,
  decodeControl,
  Errno,
  Int32,
  Iovec,
  listOf,
  MSG,
  Msghdr,
  SCM,
  SO,
  SOCK,
  SOL,
  type SyscallName,
  Ucred,
} from "@rsyscall/abi";
import { encode, FileDescriptor, type HandleFailure, Socket, type Task } from "@rsyscall/handle";
import { unviewMemory, viewMemory } from "@rsyscall/native";
import { acquire, Fd, LocalSyscallInterface, type Word } from "@rsyscall/near";
import { Effect, type Scope } from "effect";

/*
 * Effects on the sockets of this process take several times as long as the system calls in them. What a server does for
 * every client is plain code here. It never waits: the sockets do not block.
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

const IOVEC_AT = Msghdr.size;
/** Of the length that getsockopt(2) takes. */
const LENGTH_AT = IOVEC_AT + Iovec.size;
const CONTROL_AT = LENGTH_AT + 8;
const DATA_AT = CONTROL_AT + CONTROL_SIZE;

const numbers = listOf(Int32);

/** The sockets of a task that is this process. A result below 0 is -errno. */
export class LocalSockets {
  readonly #task: Task;
  readonly #block: Uint8Array;
  readonly #view: DataView;
  readonly #data: number;
  readonly #message: number;
  readonly #length: number;
  /** The header of a message as recvmsg(2) gets it. The kernel changes it. */
  readonly #header: Uint8Array;

  private constructor(task: Task, address: number, memory: ArrayBuffer) {
    this.#task = task;
    this.#block = new Uint8Array(memory);
    this.#view = new DataView(memory);
    this.#data = address + DATA_AT;
    this.#message = address;
    this.#length = address + LENGTH_AT;
    this.#header = encode(Msghdr, {
      name: 0,
      nameLength: 0,
      iov: address + IOVEC_AT,
      iovLength: 1,
      control: address + CONTROL_AT,
      controlLength: CONTROL_SIZE,
      flags: 0,
    });
    Iovec.encode({ base: this.#data, length: SIZE_AT_MOST }, this.#block.subarray(IOVEC_AT));
  }

  /** Undefined if the task is another process. */
  static make(task: Task): Effect.Effect<LocalSockets | undefined, HandleFailure, Scope.Scope> {
    if (LocalSyscallInterface.of(task.sysif) === undefined) return Effect.succeed(undefined);
    const size = DATA_AT + SIZE_AT_MOST;
    return Effect.gen(function* () {
      const { address } = yield* acquire(task.allocator.malloc(size, 8), (got) => got.free());
      const memory = yield* acquire(
        Effect.sync(() => viewMemory(address, size)),
        (view) => Effect.sync(() => unviewMemory(view)),
      );
      return new LocalSockets(task, address, memory);
    });
  }

  /** accept4(2) on a socket that does not block. The new one does not either. */
  accept(listening: Socket): Socket | number {
    const fd = this.#call("accept4", listening.near, 0, 0, SOCK.NONBLOCK | SOCK.CLOEXEC);
    if (fd < 0) return fd;
    const socket = FileDescriptor.opened(Socket, this.#task, Fd(fd));
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
    this.#block.set(this.#header);
    const count = this.#call("recvmsg", near, this.#message, MSG.DONTWAIT | MSG.CMSG_CLOEXEC);
    if (count < 0) return count;
    const { controlLength } = Msghdr.decode(this.#block);
    const fds = controlLength === 0 ? [] : this.#received(controlLength);
    return { bytes: this.#block.slice(DATA_AT, DATA_AT + Math.min(count, SIZE_AT_MOST)), fds };
  }

  #received(length: number): ReadonlyArray<FileDescriptor> {
    const control = this.#block.subarray(CONTROL_AT, CONTROL_AT + Math.min(length, CONTROL_SIZE));
    return decodeControl(control)
      .filter(
        ({ level, type }) => level === SOL.SOCKET && (type === SCM.RIGHTS || type === SCM.PIDFD),
      )
      .flatMap(({ data }) => numbers.decode(data))
      .map((number) => {
        const fd = FileDescriptor.opened(FileDescriptor, this.#task, Fd(number));
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

  /** close(2) of a descriptor of this task, in any state. */
  close(fd: FileDescriptor): void {
    if (fd.isValid && fd.disown()) this.#call("close", fd.near, 0);
  }

  /** A call that is repeated if a signal has interrupted it. */
  #call(name: SyscallName, a: Word, b: Word, c: Word = 0, d: Word = 0, e: Word = 0): number {
    const { abi, direct } = this.#task.sysif;
    const number = abi.syscallNumber(name) ?? -1;
    for (;;) {
      const result = Number(direct?.submit(number, a, b, c, d, e, 0));
      if (result !== -Errno.EINTR || name === "close") return result;
    }
  }
}
