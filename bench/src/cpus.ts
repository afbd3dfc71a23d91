import { availableParallelism } from "node:os";
import { call } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";

/** Where the driving process runs, and where the one that is driven does. */
export type Cpus = readonly [client: number, server: number];

/** Two CPUs, where there are two. */
export const apart: Cpus = [0, Math.min(1, availableParallelism() - 1)];

/** One CPU for both. */
export const together: Cpus = [0, 0];

/** sched_setaffinity(2) of a process's main thread: these CPUs only. */
const setAffinity = (thread: Thread, cpus: bigint) => {
  const mask = new Uint8Array(8);
  new DataView(mask.buffer).setBigUint64(0, cpus, true);
  return thread.task.withBytes(mask, (address) =>
    call(thread.task.sysif, "sched_setaffinity", undefined, 0, mask.length, address),
  );
};

/** Runs with both processes on their CPUs, and lets them go wherever they like afterwards. */
export const pinned = <A, E, R>(
  threads: readonly [client: Thread, server: Thread],
  cpus: Cpus,
  use: Effect.Effect<A, E, R>,
) => {
  const [client, server] = threads;
  const pin = Effect.andThen(
    setAffinity(client, 1n << BigInt(cpus[0])),
    setAffinity(server, 1n << BigInt(cpus[1])),
  );
  const unpin = Effect.andThen(setAffinity(client, ~0n), setAffinity(server, ~0n));
  return Effect.andThen(pin, Effect.ensuring(use, Effect.ignore(unpin)));
};
