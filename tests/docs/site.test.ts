import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, describe, test } from "vitest";
import { filesBelow, root } from "./files.ts";

/*
 * The site is built by `npm run docs`, which .ci/run calls: it fails if a symbol has no comment or a link is broken.
 * These tests see what can be seen without a build.
 */

const config = readFileSync(join(root, "site/.vitepress/config.ts"), "utf8");
const linked = [...config.matchAll(/page\("[^"]*", "([^"]*)"\)/g)].map(([, link = ""]) => link);

/** Its file; the architecture is that of the repository. */
const fileOf = (link: string): string => {
  if (link === "architecture") return "ARCHITECTURE.md";
  return link.endsWith("/") ? `docs/${link}README.md` : `docs/${link}.md`;
};

describe("the sidebar of the site", () => {
  test("has every page of docs/", () => {
    const pages = filesBelow("docs").filter(
      (path) => path.endsWith(".md") && path !== "docs/index.md",
    );
    assert.deepEqual(
      pages.filter((path) => !linked.map(fileOf).includes(path)),
      [],
    );
  });

  test("has no page that is not there", () => {
    assert.deepEqual(
      linked.filter((link) => !existsSync(join(root, fileOf(link)))),
      [],
    );
  });
});
