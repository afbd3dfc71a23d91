import { Effect } from "effect";

/** The longest that setTimeout can wait. */
const LONGEST = 2 ** 31 - 1;

/** A sleep on the real clock, whatever clock the program has: processes know no other. */
export const sleep = (milliseconds: number): Effect.Effect<void> =>
  milliseconds > LONGEST
    ? Effect.never
    : Effect.callback<void>((resume) => {
        const timer = setTimeout(() => resume(Effect.void), milliseconds);
        return Effect.sync(() => clearTimeout(timer));
      });
