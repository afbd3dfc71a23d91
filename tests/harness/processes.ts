import { readdirSync, readFileSync } from "node:fs";
import type { HandleFailure } from "@rsyscall/handle";
import type { Thread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert } from "vitest";

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

/** Asserts that a thread does all that a thread is for: calls, memory, waiting without blocking. */
export const worksAsync = (thread: Thread): Effect.Effect<void, HandleFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const [reader, writer] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const reading = yield* Effect.forkChild(afd.readBytes(), { startImmediately: true });
      yield* writer.writeAllText("works");
      assert.equal(new TextDecoder().decode(yield* Fiber.join(reading)), "works");
    }),
  );
