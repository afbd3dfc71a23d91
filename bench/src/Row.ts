import { median } from "./statistics.ts";

export type Unit = "ns" | "bytes" | "fds" | "%";

/** A measurement that a number is compared with, taken in the same run. */
export interface Beside {
  readonly name: string;
  readonly samples: ReadonlyArray<number>;
}

/** The largest value that a median should have: a number, or a multiple of another median. */
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
  /** What a Node program would use instead. */
  readonly instead?: Beside | undefined;
  readonly aims?: ReadonlyArray<Aim> | undefined;
}

/** The median divided by another one. */
export const ratio = (row: Row, beside: Beside | undefined): number | undefined =>
  beside && median(row.samples) / median(beside.samples);

export const isReached = (row: Row, aim: Aim): boolean => {
  if ("most" in aim) return median(row.samples) <= aim.most;
  return "ofFloor" in aim
    ? (ratio(row, row.floor) ?? Number.NaN) <= aim.ofFloor
    : (ratio(row, row.instead) ?? Number.NaN) <= aim.ofInstead;
};
