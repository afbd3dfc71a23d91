import { define } from "../define.ts";
import { flags, int } from "../kinds.ts";
import { between } from "../Result.ts";

/** membarrier(2) */
export const membarrier = define<[command: number, flags: number, cpu?: number], number>(
  "membarrier",
  [flags().as("command"), flags(), int.as("cpu").or(0)],
  between(0, 2 ** 31 - 1),
);
