import { Errno } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import type { MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  type ConnectionError,
  type Fd,
  isError,
  oneLine,
  SyscallError,
  SyscallHangup,
  type Word,
} from "@rsyscall/near";
import { OP_RECV_ALL, OP_SEND_ALL } from "@rsyscall/wire";
import { Effect } from "effect";
import { Queue } from "./internal/Queue.ts";
import { ownMemory } from "./SharedMemory.ts";
import type { SyscallConnection } from "./SyscallConnection.ts";

/** Bytes that go through the memory of our end at a time: its allocator gives so many without mapping more. */
const PART_SIZE = 64 * 1024;

/** A read whose bytes have not all arrived. */
interface Incoming {
  readonly bytes: Uint8Array;
  readonly onFilled: () => void;
  /** The bytes never come. */
  readonly onLost: (cause: unknown) => void;
}

/**
 * Memory of a task over a data socket beside its syscall connection. For every transfer a request
 * tells the server to receive so many bytes, or to send them; the server always moves exactly that
 * many, so both ends agree where the next transfer begins. Fibers in the background move the bytes of both
 * directions, also while the task is in a call: neither end can wait for the other in a circle.
 */
export class SocketMemoryTransport implements MemoryTransport {
  readonly #connection: SyscallConnection;
  readonly #socket: AsyncFileDescriptor<Socket>;
  readonly #serverFd: Fd;
  readonly #outgoing = new Queue<Uint8Array>();
  readonly #incoming = new Queue<Incoming>();
  #sending = false;
  #receiving = false;

  /**
   * @param socket our end of the data socket
   * @param serverFd the server's end, as it numbers it
   */
  constructor(connection: SyscallConnection, socket: AsyncFileDescriptor<Socket>, serverFd: Fd) {
    this.#connection = connection;
    this.#socket = socket;
    this.#serverFd = serverFd;
  }

  write(address: Address, bytes: Uint8Array): Effect.Effect<void, ConnectionError> {
    if (bytes.length === 0) return Effect.void;
    return Effect.suspend(() => {
      const { length } = bytes;
      const { outcome } = this.#connection.submitWrite(
        address,
        OP_RECV_ALL,
        this.#serverFd,
        address,
        length,
      );
      if (typeof outcome === "object") return Effect.fail(outcome);
      // A copy: the bytes leave later, and the caller may change them until then.
      this.#outgoing.push(bytes.slice());
      if (!this.#sending) {
        this.#sending = true;
        this.#run(this.#send);
      }
      return Effect.void;
    });
  }

  read(
    address: Address,
    length: number,
  ): Effect.Effect<Uint8Array, ConnectionError | SyscallError> {
    if (length === 0) return Effect.succeed(new Uint8Array(0));
    return Effect.uninterruptible(
      Effect.callback<Uint8Array, ConnectionError | SyscallError>((resume) => {
        const bytes = new Uint8Array(length);
        let result: Word | undefined;
        let filled = false;
        const finish = () => {
          if (!filled || result === undefined) return;
          resume(
            isError(result)
              ? Effect.fail(SyscallError.from("memory read", result, `address ${address}`))
              : Effect.succeed(bytes),
          );
        };
        const call = this.#connection.submit(OP_SEND_ALL, this.#serverFd, address, length, 0, 0, 0);
        if (typeof call.outcome === "object") {
          resume(Effect.fail(call.outcome));
          return;
        }
        call.whenDone((outcome) => {
          if (typeof outcome === "object") {
            resume(Effect.fail(outcome));
            return;
          }
          result = outcome;
          finish();
          // The server sends zeros in place of memory that is not there. After any other error it has
          // sent less than was asked for, and it is unknown where the next transfer begins.
          if (isError(outcome) && outcome !== -Errno.EFAULT)
            this.#fail(SyscallError.from("memory read", outcome, `address ${address}`));
        });
        this.#incoming.push({
          bytes,
          onFilled: () => {
            filled = true;
            finish();
          },
          onLost: (cause) =>
            resume(Effect.fail(new SyscallHangup({ syscall: "memory read", cause }))),
        });
        if (!this.#receiving) {
          this.#receiving = true;
          this.#run(this.#receive);
        }
      }),
    );
  }

  /**
   * Runs a pump. When it fails the data socket is gone; at the latest it does so when the socket's
   * scope closes.
   */
  #run(pump: Effect.Effect<void, HandleFailure>): void {
    Effect.runFork(
      Effect.catch(pump, (cause) =>
        Effect.sync(() => (cause._tag === "SyscallError" ? this.#end(cause) : this.#fail(cause))),
      ),
    );
  }

  /** Ends the connection, which is of no use without the data socket. */
  #fail(cause: unknown): void {
    this.#connection.fail(cause);
    this.#loseAll(cause);
  }

  /** The server has closed the data socket. */
  #end(cause: unknown): void {
    this.#connection.failSoon(cause);
    this.#connection.onEnd(() => this.#loseAll(cause));
  }

  /** The connection no longer knows the reads whose results came before their bytes. */
  #loseAll(cause: unknown): void {
    for (let lost = this.#incoming.shift(); lost; lost = this.#incoming.shift()) lost.onLost(cause);
  }

  readonly #send: Effect.Effect<void, HandleFailure> = Effect.suspend(() => {
    const bytes = this.#outgoing.shift();
    if (bytes === undefined) {
      this.#sending = false;
      return Effect.void;
    }
    const sendFrom = (offset: number): Effect.Effect<void, HandleFailure> =>
      offset < bytes.length
        ? Effect.andThen(
            this.#socket.sendAllBytes(bytes.subarray(offset, offset + PART_SIZE)),
            Effect.suspend(() => sendFrom(offset + PART_SIZE)),
          )
        : this.#send;
    return sendFrom(0);
  });

  readonly #receive: Effect.Effect<void, HandleFailure> = Effect.suspend(() => {
    const incoming = this.#incoming.first;
    if (incoming === undefined) {
      this.#receiving = false;
      return Effect.void;
    }
    const { bytes, onFilled } = incoming;
    return Effect.flatMap(
      bytes.length > PART_SIZE ? this.#fillLarge(bytes) : this.#fill(bytes),
      (isFilled) => {
        if (!isFilled) return Effect.sync(() => this.#end(undefined));
        this.#incoming.shift();
        onFilled();
        return this.#receive;
      },
    );
  });

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
