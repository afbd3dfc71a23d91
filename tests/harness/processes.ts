import { readdirSync, readFileSync } from "node:fs";
import { Effect } from "effect";

/** What is in a file of /proc. Nothing, if the process has ended meanwhile, or is another user's. */
export const textOf = (path: string): string => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
};

/** The children of a process, of all its threads. */
export const childrenOf = (pid: number): ReadonlyArray<number> => {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((thread) => textOf(`/proc/${pid}/task/${thread}/children`).split(" "))
      .filter((text) => text !== "")
      .map(Number);
  } catch {
    return [];
  }
};

/** The state of a process as /proc shows it, "R", "S", "Z"...; undefined when it is no more. */
export const statusOf = (pid: number): string | undefined =>
  /\) (\S)/.exec(textOf(`/proc/${pid}/stat`))?.[1];

/** Whether a process is no more, or waits for its parent to notice. */
export const hasEnded = (pid: number): boolean => ["Z", undefined].includes(statusOf(pid));

/** Waits until a process has ended, whoever its parent is. */
export const untilEnded = (pid: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!hasEnded(pid)) yield* Effect.yieldNow;
  });

/** Waits until something is so, elsewhere. */
export const eventually = (wanted: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!wanted()) yield* Effect.sleep("1 millis");
  });
