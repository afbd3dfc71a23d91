import { execFile, execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Effect } from "effect";
import type { Cpus } from "./cpus.ts";

/** A C program of this package. */
export const program = (name: string): string =>
  fileURLToPath(new URL(`../build/${name}`, import.meta.url));

/** The numbers in a program's output, one a line. */
const numbers = (output: string): Array<number> => output.trim().split("\n").map(Number);

const run = (name: string, ...args: ReadonlyArray<string | number>): Array<number> =>
  numbers(execFileSync(program(name), args.map(String), { encoding: "utf8" }));

/** Rounds of so many requests at once, with pauses in between: nanoseconds for each request. */
export const pairCalls = (
  rounds: number,
  depth: number,
  cpus: Cpus,
  pauseMicroseconds = 0,
): Array<number> => run("pair", "calls", rounds, depth, ...cpus, pauseMicroseconds);

/** Rounds of a program that writes so many MiB into a pipe: nanoseconds for each of these. */
export const pipeReads = (rounds: number, mib: number): Array<number> => run("pipe", rounds, mib);

/**
 * Memory of another process, written and read back by process_vm_writev(2) and process_vm_readv(2), into memory that is
 * kept, or into fresh memory: nanoseconds.
 */
export const vmCopies = (into: "kept" | "fresh", rounds: number, bytes: number): Array<number> =>
  run("vm", into, rounds, bytes);

/**
 * Children by clone3(2), as rsyscall makes them: nanoseconds of each run of a program to its end, or of each fork to its
 * first answer.
 */
export const clones = (what: "run" | "fork", count: number, ...path: [] | [string]) =>
  run("clone", what, count, ...path);

/** A file of so many MiB, copied by copy_file_range(2): nanoseconds. */
export const fileCopies = (rounds: number, mib: number): Array<number> => run("copy", rounds, mib);

/**
 * A client of a Unix socket, in a process of its own on this CPU, while this process serves: nanoseconds of each message there and
 * back, or of each connection until the server has closed it.
 */
export const client = (
  what: "echo" | "connect",
  cpu: number,
  path: string,
  count: number,
): Effect.Effect<Array<number>> =>
  Effect.callback((resume) => {
    execFile(program("client"), [what, `${cpu}`, path, `${count}`], (error, stdout) =>
      resume(error === null ? Effect.succeed(numbers(stdout)) : Effect.die(error)),
    );
  });
