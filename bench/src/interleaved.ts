import { Effect } from "effect";

/** Batches of each; the machines are noisy, and what disturbs one must disturb the other too. */
const BATCHES = 10;

/** Measures two things in turn. The first batch of each is to warm up. */
export const interleaved = <E, R>(
  measure: Effect.Effect<ReadonlyArray<number>, E, R>,
  measureFloor: () => ReadonlyArray<number>,
): Effect.Effect<{ samples: Array<number>; floor: Array<number> }, E, R> =>
  Effect.gen(function* () {
    const samples: Array<number> = [];
    const floor: Array<number> = [];
    for (let batch = 0; batch <= BATCHES; batch++) {
      const measured = yield* measure;
      const measuredFloor = measureFloor();
      if (batch === 0) continue;
      samples.push(...measured);
      floor.push(...measuredFloor);
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
