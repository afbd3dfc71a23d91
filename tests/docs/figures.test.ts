import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, describe, test } from "vitest";
import { page as benchmarksPage } from "../../bench/src/benchmarksPage.ts";
import { figureLines, withFigures } from "../../bench/src/readmeFigures.ts";
import { root } from "./files.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");
const page = readFileSync(join(root, "docs/benchmarks.md"), "utf8");

describe("docs/benchmarks.md", () => {
  test("shows measurements, and not what we aim at", () => {
    assert.notMatch(page, /MISSED|\baims\b|at most/);
    const table = "| what | median | aims |\n|---|---|---|\n| x | 1 ns | MISSED (at most 0.5 ns) |";
    assert.include(
      benchmarksPage("a machine", table),
      "| what | median |\n|---|---|\n| x | 1 ns |\n",
    );
  });
});

describe("figures in README", () => {
  test("are those of docs/benchmarks.md", () => {
    assert.isAtLeast(figureLines(readme).length, 5);
    assert.equal(readme, withFigures(readme, page));
  });

  test("stand in its first 30 lines as well", () => {
    assert.lengthOf(figureLines(`${readme.split("\n").slice(0, 30).join("\n")}\n`), 1);
  });

  test("are in its tables alone", () => {
    const prose = readme
      .split("\n")
      .filter((line) => !figureLines(readme).includes(line))
      .filter((line) => /\d ?(ns|us|µs|ms)\b|\d times\b/.test(line));
    assert.deepEqual(prose, []);
  });
});
