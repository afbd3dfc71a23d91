/** The cells of a row of a Markdown table. */
const cellsOf = (line: string): ReadonlyArray<string> =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

/** The name in a cell such as "posix_spawn and waitpid in C: 379 us". */
const nameOf = (cell: string): string => cell.replace(/: [^:]*$/, "");

/** What identifies a measurement: what was measured, and beside what. Its figures vary from run to run. */
const keyOf = (what: string, floor: string, instead: string): string =>
  JSON.stringify([what, nameOf(floor), nameOf(instead)]);

/** Each of README's tables of figures begins with this line. */
const HEADER = "| what | median | the same with as little as possible | what Node has |";

/** The measurements in README's tables of figures. */
export const figureLines = (readme: string): ReadonlyArray<string> => {
  const lines = readme.split("\n");
  return lines.flatMap((line, i) => {
    if (line !== HEADER) return [];
    const rows = lines.slice(i + 2);
    return rows.slice(
      0,
      rows.findIndex((row) => !row.startsWith("|")),
    );
  });
};

/**
 * README with the figures of docs/benchmarks.md in its tables.
 *
 * @throws if README quotes a measurement that the page does not have
 */
export const withFigures = (readme: string, page: string): string => {
  const measured = new Map<string, string>();
  for (const line of page.split("\n")) {
    const [what = "", median = "", , floor = "", , instead = ""] = cellsOf(line);
    const cells = [what, median, floor, instead].map((cell) => (cell === "" ? "" : ` ${cell}`));
    measured.set(keyOf(what, floor, instead), `|${cells.join(" |")} |`);
  }
  return figureLines(readme).reduce((text, line) => {
    const [what = "", , floor = "", instead = ""] = cellsOf(line);
    const row = measured.get(keyOf(what, floor, instead));
    if (row === undefined) throw new Error(`docs/benchmarks.md has no such row: ${line}`);
    return text.replace(line, row);
  }, readme);
};
