import type { Address, ConnectionError, FileTransfers, SyscallFailure } from "@rsyscall/near";
import type { Effect } from "effect";

/**
 * How bytes get into the memory of a task and out of it, in the order of its system calls: the
 * memory half of a SyscallInterface, chosen when a task is bootstrapped.
 */
export interface MemoryTransport {
  /** See `SyscallInterface.read`. */
  readonly read: (
    address: Address,
    length: number,
    into?: Uint8Array,
  ) => Effect.Effect<Uint8Array, SyscallFailure>;
  /** See `SyscallInterface.write`. */
  readonly write: (address: Address, bytes: Uint8Array) => Effect.Effect<void, ConnectionError>;
  /** See `SyscallInterface.transfers`. */
  readonly transfers?: FileTransfers | undefined;
}
