import type { Allocation, MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  type ConnectionError,
  isError,
  OP_COPY,
  oneLine,
  SyscallError,
  type SyscallFailure,
  type SyscallSendError,
} from "@rsyscall/near";
import { Effect, Option } from "effect";
import type { SharedMemory } from "./SharedMemory.ts";
import type { SyscallConnection } from "./SyscallConnection.ts";

/** Takes memory that is shared, for a moment. */
export type Stage = (size: number) => Effect.Effect<Allocation, unknown>;

/**
 * Memory of a task that we have as well: nothing has to travel. But calls that were submitted and not
 * yet answered may still look at the old bytes, or still write the ones that are asked for; behind them
 * the server itself copies, when it comes to it. So it does with memory that we do not have.
 */
export class SharedMemoryTransport implements MemoryTransport {
  readonly #connection: SyscallConnection;
  readonly #memory: SharedMemory;
  readonly #stage: Stage;

  constructor(connection: SyscallConnection, memory: SharedMemory, stage: Stage) {
    this.#connection = connection;
    this.#memory = memory;
    this.#stage = stage;
  }

  read(address: Address, length: number): Effect.Effect<Uint8Array, SyscallFailure> {
    return Effect.suspend(() => {
      const connection = this.#connection;
      if (connection.hasPending) connection.settle();
      if (connection.hasEnded) return Effect.fail(connection.sendError("memory read"));
      const isShared = this.#memory.has(address, length);
      if (!connection.hasPending && isShared) return this.#read(address, length);
      return Effect.acquireUseRelease(
        Effect.option(this.#stage(length)),
        (copy) =>
          Option.isNone(copy)
            ? // No room: then after all that is on its way.
              isShared
              ? Effect.andThen(connection.barrier, this.#read(address, length))
              : Effect.fail(SyscallError.of("memory read", "ENOMEM", `address ${address}`))
            : this.#readStaged(copy.value.address, address, length),
        (copy) => (Option.isNone(copy) ? Effect.void : copy.value.free),
      );
    });
  }

  #readStaged(
    copy: Address,
    address: Address,
    length: number,
  ): Effect.Effect<Uint8Array, SyscallFailure> {
    return Effect.flatMap(
      this.#connection.syscall(OP_COPY, copy, address, length),
      (result): Effect.Effect<Uint8Array, SyscallFailure> =>
        isError(result)
          ? Effect.fail(SyscallError.from("memory read", result, `address ${address}`))
          : this.#read(copy, length),
    );
  }

  /** Memory that we have, or should have: it is another's as well. */
  #read(address: Address, length: number): Effect.Effect<Uint8Array, SyscallSendError> {
    return this.#touching("memory read", () => this.#memory.read(address, length));
  }

  #write(address: Address, bytes: Uint8Array): Effect.Effect<void, SyscallSendError> {
    return this.#touching("memory write", () => this.#memory.write(address, bytes));
  }

  #touching<A>(syscall: string, touch: () => A): Effect.Effect<A, SyscallSendError> {
    return Effect.try({
      try: touch,
      catch: (cause) => {
        this.#connection.fail(cause);
        return this.#connection.sendError(syscall);
      },
    });
  }

  write(address: Address, bytes: Uint8Array): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => {
      const connection = this.#connection;
      if (connection.hasPending) connection.settle();
      if (connection.hasEnded) return Effect.fail(connection.sendError("memory write"));
      const isShared = this.#memory.has(address, bytes.length);
      if (!connection.hasPending && isShared) return this.#write(address, bytes);
      return Effect.uninterruptible(
        Effect.matchEffect(this.#stage(bytes.length), {
          onSuccess: (copy) =>
            Effect.map(this.#write(copy.address, bytes), () => this.#copy(address, copy)),
          // No room: then after all that is on its way.
          onFailure: (cause) =>
            isShared
              ? Effect.andThen(connection.barrier, this.#write(address, bytes))
              : Effect.die(cause),
        }),
      );
    });
  }

  /** Submits the copying of what is staged, which is freed then. */
  #copy(address: Address, staged: Allocation): void {
    const connection = this.#connection;
    connection.submitWrite(address, OP_COPY, address, staged.address, staged.size, () => {
      Effect.runFork(staged.free);
    });
    connection.settle();
  }
}

oneLine(SharedMemoryTransport, () => "memory that is ours as well");
