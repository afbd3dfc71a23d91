import type { Allocation, Allocator, MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  type ConnectionError,
  isError,
  oneLine,
  SyscallError,
  type SyscallFailure,
  type SyscallSendError,
} from "@rsyscall/near";
import { OP_COPY } from "@rsyscall/wire";
import { Effect, Exit, Option } from "effect";
import type { SharedMemory } from "./SharedMemory.ts";
import type { SyscallConnection } from "./SyscallConnection.ts";

/** Of copies, in bytes: as malloc(3) gives them to small things. */
const ALIGNMENT = 8;

/**
 * Memory of a task that we have as well: bytes are copied here, without a system call. But calls that were
 * submitted and not yet answered may still read the old bytes, or still write the bytes that are asked for. Then the
 * server copies (OP_COPY), in its turn behind these calls. It also copies memory that we do not have.
 */
export class SharedMemoryTransport implements MemoryTransport {
  readonly #connection: SyscallConnection;
  readonly #memory: SharedMemory;
  /** Of memory that is shared: copies lie there for a moment. */
  readonly allocator: Allocator;

  constructor(connection: SyscallConnection, memory: SharedMemory, allocator: Allocator) {
    this.#connection = connection;
    this.#memory = memory;
    this.allocator = allocator;
  }

  read(
    address: Address,
    length: number,
    into?: Uint8Array,
  ): Effect.Effect<Uint8Array, SyscallFailure> {
    return Effect.suspend(() => {
      const connection = this.#connection;
      if (connection.hasPending) connection.settle();
      if (connection.hasEnded) return Effect.fail(connection.sendError("memory read"));
      const isShared = this.#memory.has(address, length);
      if (!connection.hasPending && isShared) return this.#read(address, length, into);
      return Effect.acquireUseRelease(
        Effect.option(this.allocator.malloc(length, ALIGNMENT)),
        (copy) =>
          Option.isNone(copy)
            ? // No room for a copy: wait for all that is in flight.
              isShared
              ? Effect.flatMap(connection.barrier(), () => this.#read(address, length, into))
              : Effect.fail(SyscallError.of("memory read", "ENOMEM", `address ${address}`))
            : this.#readStaged(copy.value.address, address, length, into),
        (copy) => (Option.isNone(copy) ? Effect.void : copy.value.free()),
      );
    });
  }

  #readStaged(
    copy: Address,
    address: Address,
    length: number,
    into?: Uint8Array,
  ): Effect.Effect<Uint8Array, SyscallFailure> {
    return Effect.flatMap(
      this.#connection.syscall(OP_COPY, copy, address, length),
      (result): Effect.Effect<Uint8Array, SyscallFailure> =>
        isError(result)
          ? Effect.fail(SyscallError.from("memory read", result, `address ${address}`))
          : this.#read(copy, length, into),
    );
  }

  /** Touches memory that we have. It fails if the other process has made it unusable. */
  #read(
    address: Address,
    length: number,
    into?: Uint8Array,
  ): Exit.Exit<Uint8Array, SyscallSendError> {
    return this.#touching("memory read", () => this.#memory.read(address, length, into));
  }

  #write(address: Address, bytes: Uint8Array): Exit.Exit<void, SyscallSendError> {
    return this.#touching("memory write", () => this.#memory.write(address, bytes));
  }

  #touching<A>(syscall: string, touch: () => A): Exit.Exit<A, SyscallSendError> {
    try {
      return Exit.succeed(touch());
    } catch (cause) {
      this.#connection.fail(cause);
      return Exit.fail(this.#connection.sendError(syscall));
    }
  }

  write(address: Address, bytes: Uint8Array): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => {
      const connection = this.#connection;
      if (connection.hasPending) connection.settle();
      if (connection.hasEnded) return Effect.fail(connection.sendError("memory write"));
      const isShared = this.#memory.has(address, bytes.length);
      if (!connection.hasPending && isShared) return this.#write(address, bytes);
      return Effect.uninterruptible(
        Effect.matchEffect(this.allocator.malloc(bytes.length, ALIGNMENT), {
          onSuccess: (copy) =>
            Effect.map(this.#write(copy.address, bytes), () => this.#copy(address, copy)),
          // No room for a copy: wait for all that is in flight.
          onFailure: (cause) =>
            isShared
              ? Effect.flatMap(connection.barrier(), () => this.#write(address, bytes))
              : Effect.die(cause),
        }),
      );
    });
  }

  /** Submits the copying of what is staged, which is freed then. */
  #copy(address: Address, staged: Allocation): void {
    const connection = this.#connection;
    connection.submitWrite(address, OP_COPY, address, staged.address, staged.size, () => {
      Effect.runFork(staged.free());
    });
    connection.settle();
  }
}

oneLine(SharedMemoryTransport, () => "memory that is ours as well");
