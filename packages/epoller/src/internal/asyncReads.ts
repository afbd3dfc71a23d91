import { MSG } from "@rsyscall/abi";
import type { FileDescriptor, HandleFailure } from "@rsyscall/handle";
import type { Address } from "@rsyscall/near";
import { Effect } from "effect";
import type { AsyncParts } from "./AsyncParts.ts";
import type { Kept } from "./Kept.ts";

/** A call that reads bytes. It has memory only while it is on its way: a fiber that waits has none. */
export const readOnce = (
  { handle: { task }, calls }: AsyncParts<FileDescriptor>,
  name: "read" | "recvfrom",
  size: number,
  flags: number,
): Effect.Effect<Uint8Array | "EAGAIN", HandleFailure> =>
  task.withMemory(size, 1, (address) =>
    Effect.flatMap(
      // With MSG.TRUNC the kernel tells how long a datagram was, of which only so much is here.
      calls.call(name, address, size, flags, flags & MSG.TRUNC ? Number.MAX_SAFE_INTEGER : size),
      (count): Effect.Effect<Uint8Array | "EAGAIN", HandleFailure> =>
        count === "EAGAIN"
          ? Effect.succeed(count)
          : count === 0
            ? Effect.succeed(new Uint8Array(0))
            : task.sysif.read(address, Math.min(count, size)),
    ),
  );

/** What was read into memory of the task, as what is kept of it. */
export const keptInto = (
  { handle, bytes }: AsyncParts<FileDescriptor>,
  address: Address,
  size: number,
): Kept<number, HandleFailure> => {
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
