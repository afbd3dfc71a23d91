import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { assert, describe, test } from "vitest";
import { packages, root } from "./files.ts";

const folders = [".", "docs", "docs/mock", "stub-c", ...packages];

const pages = folders.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(root, folder, name)),
);

const textOf = (page: string): string => readFileSync(page, "utf8");

/** The names that headings have in links: lower case, hyphens for spaces, and no other marks. */
const anchorsOf = (page: string): ReadonlyArray<string> =>
  [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

describe("pages", () => {
  for (const page of pages)
    test(`link to what is there: ${relative(root, page)}`, () => {
      for (const [, target = ""] of textOf(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? page : join(dirname(page), path);
        assert.isTrue(existsSync(file), `${target} is not there`);
        if (anchor !== undefined)
          assert.include(anchorsOf(file), anchor, `${target} is no heading`);
      }
    });

  for (const page of pages)
    test(`name test files that are there: ${relative(root, page)}`, () => {
      for (const [, path = ""] of textOf(page).matchAll(/`([\w./-]+\.test\.ts)`/g)) {
        const isWhole = path.startsWith("tests/") || path.startsWith("packages/");
        assert.isTrue(existsSync(join(root, isWhole ? path : join("tests", path))), path);
      }
    });

  test("docs/security.md names a test in every row of its limits, or that there is none", () => {
    const limits =
      /^## Limits\n(.*?)^## /ms.exec(textOf(join(root, "docs/security.md")))?.[1] ?? "";
    const rows = limits.split("\n").filter((line) => /^\| (?!limit |---)/.test(line));
    assert.isAbove(rows.length, 20);
    for (const row of rows) assert.match(row, /\| (`[^|]+\.test\.ts`[^|]*|none[^|]*) \|$/);
  });
});
