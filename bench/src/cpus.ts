import { readFileSync } from "node:fs";
import { call } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";

/** The CPU of the controller, and that of the process that it controls. */
export type Cpus = readonly [client: number, server: number];

/** The CPUs that this process may run on. The kernel lists them as 0-3,7. */
const allowed = (
  /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0"
)
  .split(",")
  .flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });

const [one = 0, other = one] = allowed;

/** Two CPUs, where there are two. */
export const apart: Cpus = [one, other];

/** One CPU for both. */
export const together: Cpus = [one, one];

/** Whether there are two. */
export const areTwo = one !== other;

/** sched_setaffinity(2) of a process's main thread: these CPUs only. */
const setAffinity = (thread: Thread, cpus: bigint) => {
  const mask = new Uint8Array(8);
  new DataView(mask.buffer).setBigUint64(0, cpus, true);
  return thread.task.withBytes(mask, (address) =>
    call(thread.task.sysif, "sched_setaffinity", 0, mask.length, address),
  );
};

/** Runs an effect with the processes on their CPUs, all servers on one, and lifts the restriction afterwards. */
export const pinned = <A, E, R>(
  [client, ...servers]: readonly [client: Thread, ...servers: Array<Thread>],
  cpus: Cpus,
  use: Effect.Effect<A, E, R>,
) => {
  const setAll = (ofClient: bigint, ofServers: bigint) =>
    Effect.andThen(
      setAffinity(client, ofClient),
      Effect.forEach(servers, (server) => setAffinity(server, ofServers), { discard: true }),
    );
  const all = allowed.reduce((mask, cpu) => mask | (1n << BigInt(cpu)), 0n);
  const pin = setAll(1n << BigInt(cpus[0]), 1n << BigInt(cpus[1]));
  return Effect.andThen(pin, Effect.ensuring(use, Effect.ignore(setAll(all, all))));
};
