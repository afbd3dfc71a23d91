/** A line of one side. Lines of both sides are the same if their keys are. */
export interface DiffLine {
  /** Undefined: the other side has none like it. */
  readonly key: string | undefined;
  readonly line: string;
}

/** Lines that are compared at most: the table grows with the square. */
const COMPARED = 1000;

/**
 * What two lists have in common, as a diff shows it: `-` in front of lines that only the first one has, and `+` in
 * front of those that only the second one has.
 */
export const diffLines = (
  before: ReadonlyArray<DiffLine>,
  after: ReadonlyArray<DiffLine>,
): ReadonlyArray<string> => {
  const [a, b] = [before.slice(0, COMPARED), after.slice(0, COMPARED)];
  // lengths[i][j]: how much a from i on and b from j on have in common, in their order.
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const at = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  const isSame = (i: number, j: number) => a[i]?.key !== undefined && a[i]?.key === b[j]?.key;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      (lengths[i] as Uint16Array)[j] = isSame(i, j)
        ? at(i + 1, j + 1) + 1
        : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: Array<string> = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && isSame(i, j)) {
      lines.push(`  ${b[j]?.line}`);
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push(`- ${a[i++]?.line}`);
    else lines.push(`+ ${b[j++]?.line}`);
  }
  const more = before.length - a.length + (after.length - b.length);
  return more > 0 ? [...lines, `  and ${more} more`] : lines;
};
