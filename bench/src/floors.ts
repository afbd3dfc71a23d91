import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Cpus } from "./cpus.ts";

/** A C program of this package. */
export const program = (name: string): string =>
  fileURLToPath(new URL(`../build/${name}`, import.meta.url));

const run = (...args: ReadonlyArray<string | number>): Array<number> =>
  execFileSync(program("pair"), args.map(String), { encoding: "utf8" })
    .trim()
    .split("\n")
    .map(Number);

/** Rounds of so many requests at once: nanoseconds for each request. */
export const pairCalls = (rounds: number, depth: number, cpus: Cpus): Array<number> =>
  run("calls", rounds, depth, ...cpus);

/** Rounds of so many bytes there and back: nanoseconds for a round. */
export const pairEcho = (rounds: number, size: number, cpus: Cpus): Array<number> =>
  run("echo", rounds, size, ...cpus);
