import { Effect } from "effect";
import type { SyscallFailure } from "./errors.ts";
import type { Address } from "./identifiers.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/** Copies bytes out of a task's memory into an array, as many as it holds. If that fails, its content is undefined. */
export const readInto = (
  sysif: SyscallInterface,
  address: Address,
  bytes: Uint8Array,
): Effect.Effect<void, SyscallFailure> =>
  Effect.map(sysif.read(address, bytes.length, bytes), (read) => {
    if (read !== bytes) bytes.set(read);
  });
