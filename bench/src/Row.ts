import { median } from "./statistics.ts";

/** One thing that was measured, and what it is held against, both in this run. */
export interface Row {
  readonly name: string;
  /** Nanoseconds. */
  readonly samples: ReadonlyArray<number>;
  readonly floor: { readonly name: string; readonly samples: ReadonlyArray<number> };
  /** What the ratio to the floor, or the median itself, should be at most. */
  readonly aim?:
    | { readonly ratio: number; readonly nanoseconds?: never }
    | { readonly nanoseconds: number; readonly ratio?: never };
}

/** How often the median is of the floor's. */
export const ratio = (row: Row): number => median(row.samples) / median(row.floor.samples);

/** Whether the aim is reached; undefined where there is none. */
export const reached = (row: Row): boolean | undefined => {
  if (row.aim === undefined) return undefined;
  return row.aim.ratio !== undefined
    ? ratio(row) <= row.aim.ratio
    : median(row.samples) <= row.aim.nanoseconds;
};
