import { EPOLL, Errno, MSG } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import type { MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  type ConnectionError,
  type Fd,
  isError,
  LocalSyscallInterface,
  type MemoryTransfers,
  type Outcome,
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

/** Memory of this process, whose bytes leave, or into which they come. */
interface Here {
  readonly address: Address;
  readonly length: number;
  /** Bytes that have left or arrived. */
  done: number;
  /** Whether the memory may be something else by now. */
  isLost: boolean;
}

/** A write whose bytes have not all left. */
interface Outgoing {
  readonly from: Uint8Array | Here;
  readonly onSent: () => void;
  /** The bytes never leave. */
  readonly onLost: (cause: unknown) => void;
}

/** A read whose bytes have not all arrived. */
interface Incoming {
  readonly into: Uint8Array | Here;
  readonly onFilled: () => void;
  /** The bytes never come. */
  readonly onLost: (cause: unknown) => void;
}

const nothing = () => {};

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
  readonly #local: LocalSyscallInterface | undefined;
  readonly #outgoing = new Queue<Outgoing>();
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
    this.#local = LocalSyscallInterface.of(socket.handle.task.sysif);
  }

  get transfers(): MemoryTransfers | undefined {
    return this.#local && this;
  }

  write(address: Address, bytes: Uint8Array): Effect.Effect<void, ConnectionError> {
    if (bytes.length === 0) return Effect.void;
    return Effect.suspend(() => {
      const refusal = this.#submitWrite(address, bytes.length);
      if (refusal !== undefined) return Effect.fail(refusal);
      // A copy: the bytes leave later, and the caller may change them until then.
      this.#push({ from: bytes.slice(), onSent: nothing, onLost: nothing });
      return Effect.void;
    });
  }

  send(here: Address, there: Address, length: number): Effect.Effect<void, ConnectionError> {
    if (length === 0) return Effect.void;
    return Effect.uninterruptible(
      Effect.callback<void, ConnectionError>((resume) => {
        const from = { address: here, length, done: 0, isLost: false };
        const onLost = (error: ConnectionError) => {
          from.isLost = true;
          resume(Effect.fail(error));
        };
        const refusal = this.#submitWrite(there, length, (outcome) => {
          if (typeof outcome === "object") onLost(outcome);
          else if (isError(outcome)) onLost(this.#connection.sendError("memory write"));
        });
        if (refusal === undefined)
          this.#push({
            from,
            onSent: () => resume(Effect.void),
            onLost: (cause) => onLost(new SyscallHangup({ syscall: "memory write", cause })),
          });
        else resume(Effect.fail(refusal));
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

  #push(outgoing: Outgoing): void {
    this.#outgoing.push(outgoing);
    if (this.#sending) return;
    this.#sending = true;
    this.#run(this.#send);
  }

  read(
    address: Address,
    length: number,
  ): Effect.Effect<Uint8Array, ConnectionError | SyscallError> {
    if (length === 0) return Effect.succeed(new Uint8Array(0));
    return Effect.suspend(() => {
      const bytes = new Uint8Array(length);
      return Effect.as(this.#read(address, length, bytes, nothing), bytes);
    });
  }

  receive(
    there: Address,
    here: Address,
    length: number,
  ): Effect.Effect<void, ConnectionError | SyscallError> {
    if (length === 0) return Effect.void;
    return Effect.suspend(() => {
      const into = { address: here, length, done: 0, isLost: false };
      return this.#read(there, length, into, () => {
        into.isLost = true;
      });
    });
  }

  /** Has the server send bytes, and receives them. */
  #read(
    address: Address,
    length: number,
    into: Uint8Array | Here,
    onLost: () => void,
  ): Effect.Effect<void, ConnectionError | SyscallError> {
    return Effect.uninterruptible(
      Effect.callback<void, ConnectionError | SyscallError>((resume) => {
        let result: Word | undefined;
        let filled = false;
        const finish = () => {
          if (!filled || result === undefined) return;
          resume(
            isError(result)
              ? Effect.fail(SyscallError.from("memory read", result, `address ${address}`))
              : Effect.void,
          );
        };
        const call = this.#connection.submit(OP_SEND_ALL, this.#serverFd, address, length, 0, 0, 0);
        if (typeof call.outcome === "object") {
          resume(Effect.fail(call.outcome));
          return;
        }
        call.whenDone((outcome) => {
          if (typeof outcome === "object") {
            onLost();
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
          into,
          onFilled: () => {
            filled = true;
            finish();
          },
          onLost: (cause) => {
            onLost();
            resume(Effect.fail(new SyscallHangup({ syscall: "memory read", cause })));
          },
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

  /** The connection no longer knows the transfers whose results came before their bytes. */
  #loseAll(cause: unknown): void {
    for (const queue of [this.#outgoing, this.#incoming])
      for (let lost = queue.shift(); lost; lost = queue.shift()) lost.onLost(cause);
  }

  readonly #send: Effect.Effect<void, HandleFailure> = Effect.suspend(() => {
    const outgoing = this.#outgoing.first;
    if (outgoing === undefined) {
      this.#sending = false;
      return Effect.void;
    }
    const { from, onSent } = outgoing;
    return Effect.flatMap(
      from instanceof Uint8Array ? this.#sendBytes(from) : this.#sendFrom(from),
      () => {
        this.#outgoing.shift();
        onSent();
        return this.#send;
      },
    );
  });

  #sendBytes(bytes: Uint8Array, offset = 0): Effect.Effect<void, HandleFailure> {
    return offset < bytes.length
      ? Effect.andThen(
          this.#socket.sendAllBytes(bytes.subarray(offset, offset + PART_SIZE)),
          Effect.suspend(() => this.#sendBytes(bytes, offset + PART_SIZE)),
        )
      : Effect.void;
  }

  #sendFrom(from: Here): Effect.Effect<void, HandleFailure> {
    return this.#move(from, EPOLL.OUT, "sendto", MSG.NOSIGNAL);
  }

  /** Repeats a call on the socket until all of the memory has left, or arrived, or the socket has ended. */
  #move(
    memory: Here,
    event: typeof EPOLL.IN | typeof EPOLL.OUT,
    name: "recvfrom" | "sendto",
    flags: number,
  ): Effect.Effect<void, HandleFailure> {
    const { handle } = this.#socket;
    const local = this.#local as LocalSyscallInterface;
    const number = local.abi.syscallNumber(name) as number;
    const once = Effect.suspend((): Effect.Effect<boolean | "EAGAIN", HandleFailure> => {
      // Transfers are lost while this waits for the socket.
      if (memory.isLost) return Effect.succeed(true);
      if (!handle.isValid) return Effect.fail(handle.invalidError);
      const { address, length, done } = memory;
      const result = local.submit(
        number,
        handle.near,
        address + done,
        length - done,
        flags | MSG.DONTWAIT,
        0,
        0,
      );
      if (result === -Errno.EAGAIN) return Effect.succeed("EAGAIN");
      if (isError(result)) return Effect.fail(SyscallError.from(name, result, `fd ${handle.near}`));
      const count = Number(result);
      memory.done += count;
      return Effect.succeed(count === 0 || memory.done === length);
    });
    const all: Effect.Effect<void, HandleFailure> = Effect.flatMap(
      this.#socket.whenReady(event, once),
      (isOver) => (isOver ? Effect.void : all),
    );
    return all;
  }

  readonly #receive: Effect.Effect<void, HandleFailure> = Effect.suspend(() => {
    const incoming = this.#incoming.first;
    if (incoming === undefined) {
      this.#receiving = false;
      return Effect.void;
    }
    const { into, onFilled } = incoming;
    return Effect.flatMap(this.#fillAny(into), (isFilled) => {
      if (!isFilled) return Effect.sync(() => this.#end(undefined));
      this.#incoming.shift();
      onFilled();
      return this.#receive;
    });
  });

  /** Fills an array or memory from the socket. False if the socket ends before. */
  #fillAny(into: Uint8Array | Here): Effect.Effect<boolean, HandleFailure> {
    if (!(into instanceof Uint8Array))
      return Effect.map(this.#move(into, EPOLL.IN, "recvfrom", 0), () => into.done === into.length);
    return into.length > PART_SIZE ? this.#fillLarge(into) : this.#fill(into);
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
