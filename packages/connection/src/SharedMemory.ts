import type { HandleFailure } from "@rsyscall/handle";
import { readMemory, unviewMemory, viewMemory, writeMemory } from "@rsyscall/native";
import { type Address, acquire } from "@rsyscall/near";
import { Effect, type Scope } from "effect";

/** Memory as this process has it. */
export interface MappedMemory {
  /** The memory itself. It becomes detached, of length 0, when its scope closes. */
  readonly buffer: ArrayBuffer;
  /** Its address in this process. */
  readonly address: Address;
}

/** Memory of a task that this process has as well. All addresses are in the task's address space. */
export interface SharedMemory {
  /** Whether all of it is shared. */
  readonly has: (address: Address, length: number) => boolean;
  /** A copy of bytes that are wholly shared, in an array of this length if one is given: see `has`. */
  readonly read: (address: Address, length: number, into?: Uint8Array) => Uint8Array;
  /** Writes bytes that are wholly shared: see `has`. */
  readonly write: (address: Address, bytes: Uint8Array) => void;
  /** Whole pages, without a copy, until the scope closes. */
  readonly map: (
    address: Address,
    length: number,
  ) => Effect.Effect<MappedMemory, HandleFailure, Scope.Scope>;
}

/** Memory of this process, as an ArrayBuffer without a copy, which the scope makes unusable. */
export const view = (
  address: Address,
  length: number,
): Effect.Effect<MappedMemory, never, Scope.Scope> =>
  Effect.map(
    acquire(
      Effect.sync(() => viewMemory(address, length)),
      (buffer) => Effect.sync(() => unviewMemory(buffer)),
    ),
    (buffer) => ({ buffer, address }),
  );

/** Memory of tasks in the address space of this process. */
export const ownMemory: SharedMemory = {
  has: () => true,
  read: readMemory,
  write: writeMemory,
  map: view,
};
