import { median } from "./statistics.ts";

export type Unit = "ns" | "bytes" | "fds" | "%";

/** Something that a number is held against, measured in the same run. */
export interface Beside {
  readonly name: string;
  readonly samples: ReadonlyArray<number>;
}

/** What a median should be at most: as a number, or as a share of another one. */
export type Aim =
  | { readonly most: number }
  | { readonly ofFloor: number }
  | { readonly ofInstead: number };

/** One thing that was measured. */
export interface Row {
  readonly name: string;
  readonly unit: Unit;
  readonly samples: ReadonlyArray<number>;
  /** The same, done with as little as possible. */
  readonly floor?: Beside | undefined;
  /** What a Node user would do otherwise. */
  readonly instead?: Beside | undefined;
  readonly aims?: ReadonlyArray<Aim> | undefined;
}

/** How often the median is of another one. */
export const ratio = (row: Row, beside: Beside | undefined): number | undefined =>
  beside && median(row.samples) / median(beside.samples);

export const isReached = (row: Row, aim: Aim): boolean => {
  if ("most" in aim) return median(row.samples) <= aim.most;
  return "ofFloor" in aim
    ? (ratio(row, row.floor) ?? Number.NaN) <= aim.ofFloor
    : (ratio(row, row.instead) ?? Number.NaN) <= aim.ofInstead;
};
