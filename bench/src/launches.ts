import { execFile } from "node:child_process";
import { Effect } from "effect";
import { program } from "./cPrograms.ts";

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
export const share = (launches: ReadonlyArray<Launch>): number => {
  const [first] = launches;
  const last = launches.at(-1);
  return first === undefined || last === undefined
    ? Number.NaN
    : Number(last.end - first.start) / launches.length;
};
