import { type Aim, type Beside, isReached, type Row, ratio, type Unit } from "./Row.ts";
import { median, quantile } from "./statistics.ts";

/** A number in some digits, and never as 1.0e+3. */
const inDigits = (value: number, digits: number): string =>
  value >= 10 ** digits - 0.5 ? value.toFixed(0) : value.toPrecision(digits);

const amount = (value: number, unit: Unit): string => {
  if (unit === "fds") return value.toFixed(1);
  if (unit === "%") return `${value.toFixed(2)} %`;
  if (unit === "bytes") return `${(value / 1024).toFixed(1)} KiB`;
  if (value < 1000) return `${value.toFixed(0)} ns`;
  if (value < 1e6) return `${inDigits(value / 1000, 3)} us`;
  if (value < 1e9) return `${inDigits(value / 1e6, 3)} ms`;
  return `${inDigits(value / 1e9, 3)} s`;
};

const aimText = (row: Row, aim: Aim): string => {
  const wanted =
    "most" in aim
      ? amount(aim.most, row.unit)
      : "ofFloor" in aim
        ? `${inDigits(aim.ofFloor, 3)} x floor`
        : `${inDigits(aim.ofInstead, 3)} x instead`;
  return `${isReached(row, aim) ? "ok" : "MISSED"} (at most ${wanted})`;
};

const header = ["what", "median", "p90", "floor", "x", "instead", "x", "aims"];

const beside = (row: Row, other: Beside | undefined): [string, string] =>
  other === undefined
    ? ["", ""]
    : [
        `${other.name}: ${amount(median(other.samples), row.unit)}`,
        inDigits(ratio(row, other) ?? 0, 2),
      ];

const cells = (row: Row): Array<string> => [
  row.name,
  amount(median(row.samples), row.unit),
  amount(quantile(row.samples, 0.9), row.unit),
  ...beside(row, row.floor),
  ...beside(row, row.instead),
  (row.aims ?? []).map((aim) => aimText(row, aim)).join("; "),
];

/** The rows as a table, which is Markdown too. */
export const table = (rows: ReadonlyArray<Row>): string => {
  const lines = [header, ...rows.map(cells)];
  const widths = header.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const text = (line: ReadonlyArray<string>) =>
    `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const [first, ...rest] = lines.map(text);
  return [first, rule, ...rest].join("\n");
};

const summary = (other: Beside) => ({ name: other.name, median: median(other.samples) });

/** The rows as data: nanoseconds, bytes. */
export const json = (machine: string, rows: ReadonlyArray<Row>): string =>
  JSON.stringify(
    {
      machine,
      rows: rows.map((row) => ({
        name: row.name,
        unit: row.unit,
        median: median(row.samples),
        p90: quantile(row.samples, 0.9),
        ...(row.floor && { floor: { ...summary(row.floor), ratio: ratio(row, row.floor) } }),
        ...(row.instead && {
          instead: { ...summary(row.instead), ratio: ratio(row, row.instead) },
        }),
        aims: (row.aims ?? []).map((aim) => ({ ...aim, reached: isReached(row, aim) })),
      })),
    },
    undefined,
    2,
  );
