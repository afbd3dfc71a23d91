/** A table without its last column, the aims: they are for those that work on rsyscall, and the bench prints them. */
const withoutAims = (table: string): string => table.replace(/\|[^|\n]*\|$/gm, "|");

/** docs/benchmarks.md. */
export const page = (machine: string, table: string): string => `# Benchmarks

Made by \`npm run bench -- --docs\`. Do not edit.

Machine: ${machine}.

Every number is held against others that were taken in the same run, in turn with it: the *floor* does
the same with as little as possible, and *instead* is what a Node program would use otherwise. Ratios are
of medians. The numbers of a machine that others use as well vary from run to run; the ratios do so less.

![How many times as long the other way takes, for each measurement that has one: the numbers are in the table below](benchmarks.svg)

${withoutAims(table)}
`;
