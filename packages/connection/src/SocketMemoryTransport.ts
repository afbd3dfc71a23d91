import { Errno } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import type { MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  type ConnectionError,
  type Fd,
  type FileTransfers,
  isError,
  LocalSyscallInterface,
  type Outcome,
  oneLine,
  SyscallError,
  type SyscallFailure,
  SyscallHangup,
  type Word,
} from "@rsyscall/near";
import { OP_RECV_ALL, OP_SEND_ALL } from "@rsyscall/wire";
import { Cause, Effect } from "effect";
import { FileEnd } from "./internal/FileEnd.ts";
import { receiveFile, sendFile } from "./internal/fileParts.ts";
import { Pump } from "./internal/Pump.ts";
import { ownMemory } from "./SharedMemory.ts";
import type { SyscallConnection } from "./SyscallConnection.ts";

/** Bytes that go through the memory of our end at a time: its allocator gives so many without mapping more. */
const PART_SIZE = 64 * 1024;

const nothing = () => {};

/**
 * Memory of a task over a data socket beside its syscall connection. For every transfer a request
 * tells the server to receive so many bytes, or to send them; the server always moves exactly that
 * many, so both ends agree where the next transfer begins. Fibers in the background move the bytes of both
 * directions, also while the task is in a call: neither end can wait for the other in a circle.
 */
export class SocketMemoryTransport implements MemoryTransport, FileTransfers {
  readonly #connection: SyscallConnection;
  readonly #socket: AsyncFileDescriptor<Socket>;
  readonly #serverFd: Fd;
  readonly #outgoing: Pump;
  readonly #incoming: Pump;

  /**
   * @param socket our end of the data socket
   * @param serverFd the server's end, as it numbers it
   */
  constructor(connection: SyscallConnection, socket: AsyncFileDescriptor<Socket>, serverFd: Fd) {
    this.#connection = connection;
    this.#socket = socket;
    this.#serverFd = serverFd;
    const onEnd = (cause: unknown) => this.#end(cause);
    this.#outgoing = new Pump(onEnd);
    this.#incoming = new Pump(onEnd);
  }

  get transfers(): FileTransfers | undefined {
    const { sysif } = this.#socket.handle.task;
    return LocalSyscallInterface.of(sysif) === undefined ? undefined : this;
  }

  write(address: Address, bytes: Uint8Array): Effect.Effect<void, ConnectionError> {
    if (bytes.length === 0) return Effect.void;
    return Effect.suspend(() => {
      const refusal = this.#submitWrite(address, bytes.length);
      if (refusal !== undefined) return Effect.fail(refusal);
      // A copy: the bytes leave later, and the caller may change them until then.
      const move = this.#sendBytes(bytes.slice());
      this.#outgoing.push({ move, onMoved: nothing, onLost: nothing });
      return Effect.void;
    });
  }

  send<E>(
    file: Effect.Effect<Fd, E>,
    offset: number,
    address: Address,
    length: number,
  ): Effect.Effect<number, E | SyscallFailure> {
    if (length === 0) return Effect.succeed(0);
    return Effect.uninterruptible(
      Effect.callback<number, E | SyscallFailure>((resume) => {
        const source = new FileEnd(file);
        const onLost = (error: ConnectionError) => {
          source.fail(Cause.fail(error));
          resume(Effect.fail(error));
        };
        const refusal = this.#submitWrite(address, length, (outcome) => {
          if (typeof outcome === "object") onLost(outcome);
          else if (isError(outcome)) onLost(this.#connection.sendError("memory write"));
        });
        if (refusal !== undefined) resume(Effect.fail(refusal));
        else
          this.#outgoing.push({
            move: sendFile(this.#socket, source, offset, length),
            onMoved: () => resume(source.result),
            onLost: (cause) => onLost(new SyscallHangup({ syscall: "memory write", cause })),
          });
      }),
    );
  }

  /** Has the server receive bytes. Returns the error if it cannot be asked any more. */
  #submitWrite(
    address: Address,
    length: number,
    onDone?: (outcome: Outcome) => void,
  ): ConnectionError | undefined {
    const { outcome } = this.#connection.submitWrite(
      address,
      OP_RECV_ALL,
      this.#serverFd,
      address,
      length,
      onDone,
    );
    return typeof outcome === "object" ? outcome : undefined;
  }

  read(
    address: Address,
    length: number,
    into?: Uint8Array,
  ): Effect.Effect<Uint8Array, ConnectionError | SyscallError> {
    if (length === 0) return Effect.succeed(new Uint8Array(0));
    return Effect.suspend(() => {
      const bytes = into ?? new Uint8Array(length);
      const move = length > PART_SIZE ? this.#fillLarge(bytes) : this.#fill(bytes);
      return this.#receive(address, length, move, nothing, Effect.succeed(bytes));
    });
  }

  receive<E>(
    address: Address,
    length: number,
    file: Effect.Effect<Fd, E>,
    offset: number,
  ): Effect.Effect<void, E | SyscallFailure> {
    if (length === 0) return Effect.void;
    return Effect.suspend(() => {
      const target = new FileEnd(file);
      return this.#receive(
        address,
        length,
        receiveFile(this.#socket, target, offset, length),
        (error) => target.fail(Cause.fail(error)),
        Effect.suspend(() => Effect.asVoid(target.result)),
      );
    });
  }

  /** Has the server send bytes, and receives them. */
  #receive<A, E>(
    address: Address,
    length: number,
    move: Effect.Effect<boolean, HandleFailure>,
    onLost: (error: ConnectionError) => void,
    result: Effect.Effect<A, E>,
  ): Effect.Effect<A, E | ConnectionError | SyscallError> {
    return Effect.uninterruptible(
      Effect.callback<A, E | ConnectionError | SyscallError>((resume) => {
        let answer: Word | undefined;
        let filled = false;
        const finish = () => {
          if (!filled || answer === undefined) return;
          resume(
            isError(answer)
              ? Effect.fail(SyscallError.from("memory read", answer, `address ${address}`))
              : result,
          );
        };
        const lose = (error: ConnectionError) => {
          onLost(error);
          resume(Effect.fail(error));
        };
        const call = this.#connection.submit(OP_SEND_ALL, this.#serverFd, address, length, 0, 0, 0);
        if (typeof call.outcome === "object") {
          lose(call.outcome);
          return;
        }
        call.whenDone((outcome) => {
          if (typeof outcome === "object") {
            lose(outcome);
            return;
          }
          answer = outcome;
          finish();
          // The server sends zeros in place of memory that is not there. After any other error it has
          // sent less than was asked for, and it is unknown where the next transfer begins.
          if (isError(outcome) && outcome !== -Errno.EFAULT)
            this.#fail(SyscallError.from("memory read", outcome, `address ${address}`));
        });
        this.#incoming.push({
          move,
          onMoved: () => {
            filled = true;
            finish();
          },
          onLost: (cause) => lose(new SyscallHangup({ syscall: "memory read", cause })),
        });
      }),
    );
  }

  /** Ends the connection, which is of no use without the data socket. */
  #fail(cause: unknown): void {
    this.#connection.fail(cause);
    this.#loseAll(cause);
  }

  /** The data socket has ended. At the latest it does so when its scope closes. */
  #end(cause: unknown): void {
    const isByServer = cause === undefined || cause instanceof SyscallError;
    if (!isByServer) {
      this.#fail(cause);
      return;
    }
    this.#connection.failSoon(cause);
    this.#connection.onEnd(() => this.#loseAll(cause));
  }

  /** The connection no longer knows the transfers whose results came before their bytes. */
  #loseAll(cause: unknown): void {
    this.#outgoing.lose(cause);
    this.#incoming.lose(cause);
  }

  #sendBytes(bytes: Uint8Array, offset = 0): Effect.Effect<boolean, HandleFailure> {
    return offset < bytes.length
      ? Effect.andThen(
          this.#socket.sendAllBytes(bytes.subarray(offset, offset + PART_SIZE)),
          Effect.suspend(() => this.#sendBytes(bytes, offset + PART_SIZE)),
        )
      : Effect.succeed(true);
  }

  /** Fills an array from the socket. False if the socket ends before. */
  #fill(bytes: Uint8Array): Effect.Effect<boolean, HandleFailure> {
    const fillFrom = (offset: number): Effect.Effect<boolean, HandleFailure> =>
      offset === bytes.length
        ? Effect.succeed(true)
        : Effect.flatMap(this.#socket.readBytes(bytes.length - offset), (part) => {
            bytes.set(part, offset);
            return part.length === 0 ? Effect.succeed(false) : fillFrom(offset + part.length);
          });
    return fillFrom(0);
  }

  /** As `fill`, through one piece of memory, so that no part is an array of its own. */
  #fillLarge(bytes: Uint8Array): Effect.Effect<boolean, HandleFailure> {
    const { allocator } = this.#socket.handle.task;
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const { address } = yield* Effect.acquireRelease(
          allocator.malloc(PART_SIZE, 8),
          (allocation) => allocation.free(),
        );
        const { buffer } = yield* ownMemory.map(address, PART_SIZE);
        for (let offset = 0; offset < bytes.length; ) {
          const size = Math.min(bytes.length - offset, PART_SIZE);
          const count = yield* this.#socket.readInto(address, size);
          if (count === 0) return false;
          bytes.set(new Uint8Array(buffer, 0, count), offset);
          offset += count;
        }
        return true;
      }),
    );
  }
}

oneLine(SocketMemoryTransport, () => "memory through a socket");
