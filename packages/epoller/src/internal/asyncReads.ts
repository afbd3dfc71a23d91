import { MSG } from "@rsyscall/abi";
import type { FileDescriptor, IoFailure } from "@rsyscall/handle";
import type { Address } from "@rsyscall/near";
import { Effect } from "effect";
import type { AsyncParts } from "./AsyncParts.ts";
import type { Kept } from "./Kept.ts";

/** Makes a call that reads bytes. It holds memory only while the call is in flight, not while a fiber waits. */
export const readOnce = (
  { handle: { task }, calls }: AsyncParts<FileDescriptor>,
  name: "read" | "recvfrom",
  size: number,
  flags: number,
): Effect.Effect<Uint8Array | "EAGAIN", IoFailure> =>
  task.withMemory(size, 1, (address) =>
    Effect.flatMap(
      // With MSG.TRUNC the kernel gives the length of the whole datagram, even if only a part fits.
      calls.call(name, address, size, flags, flags & MSG.TRUNC ? Number.MAX_SAFE_INTEGER : size),
      (count): Effect.Effect<Uint8Array | "EAGAIN", IoFailure> =>
        count === "EAGAIN"
          ? Effect.succeed(count)
          : count === 0
            ? Effect.succeed(new Uint8Array(0))
            : task.sysif.read(address, Math.min(count, size)),
    ),
  );

/** Converts bytes that were read into memory of the task to bytes that are kept. */
export const keptInto = (
  { handle, bytes }: AsyncParts<FileDescriptor>,
  address: Address,
  size: number,
): Kept<number, IoFailure> => {
  const { sysif } = handle.task;
  return {
    get isEmpty() {
      return bytes.isEmpty;
    },
    take: () =>
      Effect.flatMap(bytes.take(size), (part) =>
        Effect.as(sysif.write(address, part), part.length),
      ),
    putBack: (count) => Effect.flatMap(sysif.read(address, count), bytes.putBack),
  };
};
