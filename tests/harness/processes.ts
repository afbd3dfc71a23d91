import { readdirSync, readFileSync } from "node:fs";
import { Effect } from "effect";

/** Reads a file of /proc. Empty if the process has ended meanwhile, or belongs to another user. */
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

/** The state of a process in /proc: "R", "S", "Z"...; undefined if there is no such process. */
export const statusOf = (pid: number): string | undefined =>
  /\) (\S)/.exec(textOf(`/proc/${pid}/stat`))?.[1];

/** Whether a process is gone, or a zombie. */
export const hasEnded = (pid: number): boolean => ["Z", undefined].includes(statusOf(pid));

/** Waits until a process has ended. It need not be a child of this one. */
export const untilEnded = (pid: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!hasEnded(pid)) yield* Effect.yieldNow;
  });

/** Waits until a condition outside of this process holds. */
export const eventually = (wanted: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!wanted()) yield* Effect.sleep("1 millis");
  });
