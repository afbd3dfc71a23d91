import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, describe, test } from "vitest";
import { figureLines, withFigures } from "../../bench/src/readmeFigures.ts";
import { root } from "./files.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");
const page = readFileSync(join(root, "docs/benchmarks.md"), "utf8");

describe("figures in README", () => {
  test("are those of docs/benchmarks.md", () => {
    assert.isAtLeast(figureLines(readme).length, 5);
    assert.equal(readme, withFigures(readme, page));
  });

  test("are in its table alone", () => {
    const prose = readme
      .split("\n")
      .filter((line) => !figureLines(readme).includes(line))
      .filter((line) => /\d ?(ns|us|µs|ms)\b|\d times\b/.test(line));
    assert.deepEqual(prose, []);
  });
});
