import { getpid } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { apart, areTwo, type Cpus, pinned, together } from "./cpus.ts";
import { pairCalls, pairEcho } from "./floors.ts";
import { interleaved, timed } from "./interleaved.ts";
import type { Row } from "./Row.ts";

const AT_ONCE = 64;

type Threads = readonly [local: Thread, stub: Thread];

/** Calls in a stub, one after the other. */
const sequential = (threads: Threads, cpus: Cpus, scale: number) =>
  pinned(
    threads,
    cpus,
    interleaved(timed(200 * scale, getpid(threads[1].task.sysif)), () =>
      pairCalls(200 * scale, 1, cpus),
    ),
  );

/** Calls in a stub: one after the other, and many at once. */
export const remoteCalls = (threads: Threads, scale: number) =>
  Effect.gen(function* () {
    const twoCpus = yield* sequential(threads, apart, scale);
    const oneCpu = yield* sequential(threads, together, scale);
    const many = Effect.all(
      Array.from({ length: AT_ONCE }, () => getpid(threads[1].task.sysif)),
      { concurrency: "unbounded", discard: true },
    );
    const atOnce = yield* pinned(
      threads,
      apart,
      interleaved(
        Effect.map(timed(10 * scale, many), (rounds) => rounds.map((round) => round / AT_ONCE)),
        () => pairCalls(10 * scale, AT_ONCE, apart),
      ),
    );
    const rows: Array<Row> = [
      {
        name: `remote getpid, ${areTwo ? "two CPUs" : "no second CPU"}`,
        samples: twoCpus.samples,
        floor: { name: "C pair over a socketpair, likewise", samples: twoCpus.floor },
        aim: { ratio: 1.5 },
      },
      {
        name: "remote getpid, one CPU",
        samples: oneCpu.samples,
        floor: { name: "C pair over a socketpair, likewise", samples: oneCpu.floor },
      },
      {
        name: `remote getpid, ${AT_ONCE} at once, each`,
        samples: atOnce.samples,
        floor: { name: "one after the other, two CPUs", samples: twoCpus.samples },
        aim: { ratio: 0.1 },
      },
      {
        name: `remote getpid, ${AT_ONCE} at once, each`,
        samples: atOnce.samples,
        floor: { name: `C pair, ${AT_ONCE} at once, each`, samples: atOnce.floor },
      },
    ];
    return rows;
  });

const sizes = [
  { name: "64 B", bytes: 64, count: 40 },
  { name: "4 KiB", bytes: 4096, count: 40 },
  { name: "1 MiB", bytes: 1024 * 1024, count: 4 },
];

/** Memory of a stub, written and read back. */
export const remoteMemory = (threads: Threads, scale: number) =>
  Effect.forEach(sizes, ({ name, bytes, count }) =>
    Effect.gen(function* () {
      const value = new Uint8Array(bytes);
      const thereAndBack = Effect.scoped(
        Effect.flatMap(threads[1].ptr(value), (pointer) => pointer.read()),
      );
      const { samples, floor } = yield* pinned(
        threads,
        apart,
        interleaved(timed(count * scale, thereAndBack), () =>
          pairEcho(count * scale, bytes, apart),
        ),
      );
      const row: Row = {
        name: `memory, ${name} there and back`,
        samples,
        floor: { name: "C pair, echo", samples: floor },
      };
      return row;
    }),
  );
