import type { Allocation, MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  type ConnectionError,
  isError,
  OP_COPY,
  SyscallError,
  SyscallSendError,
} from "@rsyscall/near";
import { Effect } from "effect";
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

  read(
    address: Address,
    length: number,
  ): Effect.Effect<Uint8Array, ConnectionError | SyscallError> {
    return Effect.suspend(() => {
      const connection = this.#connection;
      if (connection.hasPending) connection.settle();
      if (connection.hasEnded) return Effect.fail(new SyscallSendError({ syscall: "memory read" }));
      if (!connection.hasPending && this.#memory.has(address, length))
        return Effect.succeed(this.#memory.read(address, length));
      return Effect.acquireUseRelease(
        Effect.mapError(this.#stage(length), () => SyscallError.of("memory read", "ENOMEM")),
        (copy) =>
          Effect.flatMap(connection.syscall(OP_COPY, copy.address, address, length), (result) =>
            isError(result)
              ? Effect.fail(SyscallError.from("memory read", result, `address ${address}`))
              : Effect.sync(() => this.#memory.read(copy.address, length)),
          ),
        (copy) => copy.free,
      );
    });
  }

  write(address: Address, bytes: Uint8Array): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => {
      const connection = this.#connection;
      if (connection.hasPending) connection.settle();
      if (connection.hasEnded)
        return Effect.fail(new SyscallSendError({ syscall: "memory write" }));
      if (!connection.hasPending && this.#memory.has(address, bytes.length))
        return Effect.sync(() => this.#memory.write(address, bytes));
      return Effect.map(Effect.orDie(this.#stage(bytes.length)), (copy) => {
        this.#memory.write(copy.address, bytes);
        connection
          .submit(OP_COPY, address, copy.address, bytes.length, 0, 0, 0)
          .whenDone((outcome) => {
            // Nobody waits for a write, and later calls rely on it: if it failed, they must not happen.
            if (typeof outcome !== "object" && isError(outcome))
              connection.fail(SyscallError.from("memory write", outcome, `address ${address}`));
            Effect.runFork(copy.free);
          });
        connection.settle();
      });
    });
  }
}
