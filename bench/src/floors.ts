import { execFileSync, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Effect, type Scope } from "effect";
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

/** A Node child that sends back what it is sent. */
export const echoChild: Effect.Effect<
  (message: unknown) => Effect.Effect<void>,
  never,
  Scope.Scope
> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = fork(fileURLToPath(new URL("echo.js", import.meta.url)), {
        serialization: "advanced",
      });
      const waiting: Array<() => void> = [];
      child.on("message", () => waiting.shift()?.());
      return { child, waiting };
    }),
    ({ child }) => Effect.sync(() => child.disconnect()),
  ),
  ({ child, waiting }) =>
    (message) =>
      Effect.callback<void>((resume) => {
        waiting.push(() => resume(Effect.void));
        child.send(message as object);
      }),
);
