import { Effect } from "effect";

/** The longest that setTimeout can wait. */
const LONGEST = 2 ** 31 - 1;

/** Sleeps on the real clock, even under a test clock: processes run on the real one. */
export const sleep = (milliseconds: number): Effect.Effect<void> =>
  milliseconds > LONGEST
    ? Effect.never
    : Effect.callback<void>((resume) => {
        const timer = setTimeout(() => resume(Effect.void), milliseconds);
        return Effect.sync(() => clearTimeout(timer));
      });
