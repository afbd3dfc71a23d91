import { Effect } from "effect";

/** Batches of each; the machines are noisy, and what disturbs one must disturb the other too. */
const BATCHES = 10;

/** As long as each pair runs unmeasured: V8 optimizes by use, and a few hundred calls are not enough. */
const WARM_UP_MS = 750;

/** Measures two things in turn, once both are warm. */
export const interleaved = <A, E, R>(
  measure: Effect.Effect<ReadonlyArray<A>, E, R>,
  measureFloor: (() => ReadonlyArray<number>) | Effect.Effect<ReadonlyArray<number>>,
): Effect.Effect<{ samples: Array<A>; floor: Array<number> }, E, R> =>
  Effect.gen(function* () {
    const samples: Array<A> = [];
    const floor: Array<number> = [];
    const floorBatch =
      typeof measureFloor === "function" ? Effect.sync(measureFloor) : measureFloor;
    const warm = performance.now() + WARM_UP_MS;
    do {
      yield* measure;
      yield* floorBatch;
    } while (performance.now() < warm);
    for (let batch = 0; batch < BATCHES; batch++) {
      samples.push(...(yield* measure));
      floor.push(...(yield* floorBatch));
    }
    return { samples, floor };
  });

/** Nanoseconds of each of so many runs. */
export const timed = <E, R>(
  count: number,
  operation: Effect.Effect<unknown, E, R>,
): Effect.Effect<Array<number>, E, R> =>
  Effect.gen(function* () {
    const samples: Array<number> = [];
    for (let i = 0; i < count; i++) {
      const start = process.hrtime.bigint();
      yield* operation;
      samples.push(Number(process.hrtime.bigint() - start));
    }
    return samples;
  });
