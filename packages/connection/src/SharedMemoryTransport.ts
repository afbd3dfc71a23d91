import type { Allocator, MemoryTransport } from "@rsyscall/memory";
import {
  type Address,
  type ConnectionError,
  isError,
  OP_COPY,
  type SyscallError,
  type SyscallInterface,
} from "@rsyscall/near";
import { Effect } from "effect";
import type { SyscallConnection } from "./SyscallConnection.ts";

/**
 * Memory of a task that runs in the same address space as we do: nothing has to travel. But calls
 * that were submitted and not yet answered may still look at the old bytes, or still write the ones
 * that are asked for; behind them the server itself copies, when it comes to it.
 */
export class SharedMemoryTransport implements MemoryTransport {
  readonly #connection: SyscallConnection;
  readonly #local: SyscallInterface;
  readonly #allocator: Allocator;

  /**
   * @param local calls in our own task
   * @param allocator of that task, so that memory is there at once
   */
  constructor(connection: SyscallConnection, local: SyscallInterface, allocator: Allocator) {
    this.#connection = connection;
    this.#local = local;
    this.#allocator = allocator;
  }

  read(
    address: Address,
    length: number,
  ): Effect.Effect<Uint8Array, ConnectionError | SyscallError> {
    return Effect.suspend(() => {
      if (!this.#connection.hasPending && !this.#connection.hasEnded)
        return this.#local.read(address, length);
      return Effect.acquireUseRelease(
        Effect.orDie(this.#allocator.malloc(length, 8)),
        (copy) =>
          Effect.andThen(
            this.#connection.syscall(OP_COPY, copy.address, address, length),
            this.#local.read(copy.address, length),
          ),
        (copy) => copy.free,
      );
    });
  }

  write(address: Address, bytes: Uint8Array): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => {
      if (!this.#connection.hasPending && !this.#connection.hasEnded)
        return this.#local.write(address, bytes) as Effect.Effect<void>;
      return Effect.flatMap(Effect.orDie(this.#allocator.malloc(bytes.length, 8)), (copy) => {
        let refused: ConnectionError | undefined;
        const submit = Effect.suspend(() => {
          this.#connection.submit(OP_COPY, [address, copy.address, bytes.length], (result) => {
            if (typeof result === "object") refused = result;
            // A server that does not know the operation would go on with the wrong bytes.
            else if (isError(result))
              this.#connection.fail(new Error(`the server cannot copy: ${result}`));
            Effect.runFork(copy.free);
          });
          return refused === undefined ? Effect.void : Effect.fail(refused);
        });
        return Effect.andThen(this.#local.write(copy.address, bytes), submit);
      });
    });
  }
}
