import { type Row, ratio, reached } from "./Row.ts";
import { median, quantile } from "./statistics.ts";

const time = (nanoseconds: number): string => {
  if (nanoseconds < 1000) return `${nanoseconds.toFixed(0)} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1000).toFixed(1)} us`;
  return `${(nanoseconds / 1e6).toFixed(2)} ms`;
};

const aim = (row: Row): string => {
  if (row.aim === undefined) return "";
  const wanted = row.aim.ratio !== undefined ? `${row.aim.ratio} x` : time(row.aim.nanoseconds);
  return `<= ${wanted} ${reached(row) ? "ok" : "MISSED"}`;
};

const header = ["", "median", "p90", "floor, in the same run", "median", "ratio", "aim"];

const cells = (row: Row): Array<string> => [
  row.name,
  time(median(row.samples)),
  time(quantile(row.samples, 0.9)),
  row.floor.name,
  time(median(row.floor.samples)),
  ratio(row).toFixed(2),
  aim(row),
];

/** The rows as text, for people. */
export const table = (rows: ReadonlyArray<Row>): string => {
  const lines = [header, ...rows.map(cells)];
  const widths = header.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
};

/** The rows as data, in nanoseconds. */
export const json = (machine: string, rows: ReadonlyArray<Row>): string =>
  JSON.stringify(
    {
      machine,
      rows: rows.map((row) => ({
        name: row.name,
        median: median(row.samples),
        p90: quantile(row.samples, 0.9),
        floor: { name: row.floor.name, median: median(row.floor.samples) },
        ratio: ratio(row),
        ...(row.aim && { aim: row.aim, reached: reached(row) }),
      })),
    },
    undefined,
    2,
  );
