import { execFile } from "node:child_process";
import { Effect } from "effect";
import { program } from "./cPrograms.ts";
import { interleaved } from "./interleaved.ts";

/** One launch by another process: from its posix_spawn to its waitpid, on the clock of process.hrtime. */
export interface Launch {
  readonly pid: number;
  readonly start: bigint;
  readonly end: bigint;
}

const parse = (output: string): Array<Launch> =>
  output
    .trim()
    .split("\n")
    .map((line) => {
      const [pid = "", start = "", end = ""] = line.split(" ");
      return { pid: Number(pid), start: BigInt(start), end: BigInt(end) };
    });

/** Launches a program from a process of its own, so many times, some at a time. */
export const launch = (
  path: string,
  count: number,
  { parallel = 1, status = 0 } = {},
): Effect.Effect<Array<Launch>> =>
  Effect.callback((resume) => {
    const args = [count, status, parallel].map(String);
    execFile(program("launch"), [...args, path], (error, stdout) =>
      resume(error === null ? Effect.succeed(parse(stdout)) : Effect.die(error)),
    );
  });

/** Nanoseconds of each. */
export const times = (launches: ReadonlyArray<Launch>): Array<number> =>
  launches.map(({ start, end }) => Number(end - start));

/** Nanoseconds of all together, for each of them. */
const share = (launches: ReadonlyArray<Launch>): number => {
  const [first] = launches;
  const last = launches.at(-1);
  return first === undefined || last === undefined
    ? Number.NaN
    : Number(last.end - first.start) / launches.length;
};

/** Launches of a program, so many at a time. */
export interface Throughput {
  /** Nanoseconds of each, from its posix_spawn to its waitpid. */
  readonly times: ReadonlyArray<number>;
  /** Nanoseconds of all together, for each of them. */
  readonly shares: ReadonlyArray<number>;
}

const throughputOf = (batches: ReadonlyArray<ReadonlyArray<Launch>>): Throughput => ({
  times: batches.flatMap(times),
  shares: batches.map(share),
});

/** Launches programs, so many at a time, the programs in turn. */
export const throughputs = <K extends string>(
  paths: Record<K, string>,
  count: number,
  parallel: number,
): Effect.Effect<Record<K, Throughput>> => {
  const map = <A, B>(of: Record<K, A>, f: (value: A) => B) =>
    Object.fromEntries(Object.entries<A>(of).map(([name, value]) => [name, f(value)])) as Record<
      K,
      B
    >;
  const batch = (path: string) =>
    Effect.map(launch(path, count, { parallel }), (launches) => [launches]);
  return Effect.map(interleaved(map(paths, batch)), (all) => map(all, throughputOf));
};

/** Launches a program that is too slow to be launched more than once for each sample. */
export const throughput = (path: string, count: number, parallel: number) =>
  Effect.map(launch(path, count, { parallel }), (launches) => throughputOf([launches]));

/** So many callers at the same time, in words. */
export const atATime = (parallel: number): string =>
  parallel === 1 ? "one at a time" : `${parallel} at a time`;
