import { Effect } from "effect";

/** Batches of each measurement: machines are noisy, and a disturbance must hit all measurements alike. */
const BATCHES = 10;

/** Milliseconds that each runs unmeasured: V8 optimizes by use, and a few hundred calls are not enough. */
const WARM_UP_MS = 750;

/** Something to measure: an effect, or a function that gets its samples elsewhere, from a C program. */
export type Measure<A, E, R> = Effect.Effect<ReadonlyArray<A>, E, R> | (() => ReadonlyArray<A>);

const effectOf = <A, E, R>(measure: Measure<A, E, R>): Effect.Effect<ReadonlyArray<A>, E, R> =>
  typeof measure === "function" ? Effect.sync(measure) : measure;

/** Measures several things in turn, once all are warm. */
export const interleaved = <K extends string, A, E, R>(
  measures: Record<K, Measure<A, E, R>>,
): Effect.Effect<Record<K, Array<A>>, E, R> =>
  Effect.gen(function* () {
    const names = Object.keys(measures) as Array<K>;
    const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
      K,
      Array<A>
    >;
    const warm = performance.now() + WARM_UP_MS;
    do for (const name of names) yield* effectOf(measures[name]);
    while (performance.now() < warm);
    for (let batch = 0; batch < BATCHES; batch++)
      for (const name of names) samples[name].push(...(yield* effectOf(measures[name])));
    return samples;
  });

/** Nanoseconds of each run of an effect, or of a part of it. */
export const timed = <E, R>(
  count: number,
  operation: Effect.Effect<unknown, E, R>,
  parts = 1,
): Effect.Effect<Array<number>, E, R> =>
  Effect.gen(function* () {
    const samples: Array<number> = [];
    for (let i = 0; i < count; i++) {
      const start = process.hrtime.bigint();
      yield* operation;
      samples.push(Number(process.hrtime.bigint() - start) / parts);
    }
    return samples;
  });

/** Runs that are timed together, because the clock is too slow for one. */
const TOGETHER = 100;

/** As `timed`, for effects that take less than a microsecond. */
export const timedTogether = <E, R>(
  count: number,
  operation: Effect.Effect<unknown, E, R>,
): Effect.Effect<Array<number>, E, R> =>
  timed(
    Math.ceil(count / TOGETHER),
    Effect.gen(function* () {
      for (let i = 0; i < TOGETHER; i++) yield* operation;
    }),
    TOGETHER,
  );
