import { define } from "../define.ts";
import { flags } from "../kinds.ts";
import { someId } from "../Result.ts";

/** personality(2): gives the previous one; 0xffffffff changes nothing. */
export const personality = define<[persona: number], number>(
  "personality",
  [flags().as("persona")],
  someId,
  { prompt: true },
);
