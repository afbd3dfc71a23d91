import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Cpus } from "./cpus.ts";

/** A C program of this package. */
export const program = (name: string): string =>
  fileURLToPath(new URL(`../build/${name}`, import.meta.url));

const run = (name: string, ...args: ReadonlyArray<string | number>): Array<number> =>
  execFileSync(program(name), args.map(String), { encoding: "utf8" })
    .trim()
    .split("\n")
    .map(Number);

/** Rounds of so many requests at once, with pauses in between: nanoseconds for each request. */
export const pairCalls = (
  rounds: number,
  depth: number,
  cpus: Cpus,
  pauseMicroseconds = 0,
): Array<number> => run("pair", "calls", rounds, depth, ...cpus, pauseMicroseconds);

/** Rounds of a program that writes so many MiB into a pipe: nanoseconds for each of these. */
export const pipeReads = (rounds: number, mib: number): Array<number> => run("pipe", rounds, mib);
