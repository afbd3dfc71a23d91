import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, describe, test } from "vitest";

const root = fileURLToPath(new URL("../../stub-c", import.meta.url));

const filesIn = (directory: string): ReadonlyArray<string> =>
  readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[ch]$/.test(name))
    .map((name) => join(directory, name));

const files = [...filesIn("include"), ...filesIn("src")];

/** A source and its header are one unit: `src/ring.c` and `include/rsyscall/ring.h`. */
const unitOf = (file: string): string =>
  file.replace(/^(src|include\/rsyscall)\//, "").replace(/\.[ch]$/, "");

const textOf = (file: string): string => readFileSync(join(root, file), "utf8");

/** The units that the files of each unit include. */
const includes = new Map<string, Set<string>>();
for (const file of files) {
  const unit = includes.get(unitOf(file)) ?? new Set();
  includes.set(unitOf(file), unit);
  for (const [, name = ""] of textOf(file).matchAll(/^#include "(.*)"$/gm)) {
    const found = files.find((other) =>
      [
        join("include", name),
        join("src", name),
        join(file.slice(0, -basename(file).length), name),
      ].includes(other),
    );
    if (found !== undefined && unitOf(found) !== unitOf(file)) unit.add(unitOf(found));
  }
}

describe("the sources of stub-c", () => {
  test("include each other in no circle", () => {
    const visited = new Set<string>();
    const visit = (unit: string, path: ReadonlyArray<string>): void => {
      assert.notInclude(path, unit, "a circle");
      if (visited.has(unit)) return;
      for (const below of includes.get(unit) ?? []) visit(below, [...path, unit]);
      visited.add(unit);
    };
    assert.isAbove(includes.size, 30);
    for (const unit of includes.keys()) visit(unit, []);
  });

  test("make system calls by their typed wrappers", () => {
    const allowed = ["src/sys.h", "src/operation.c"];
    for (const file of filesIn("src"))
      if (!allowed.includes(file)) assert.notMatch(textOf(file), /\bsyscall[0-6]\(/, file);
  });

  test("define each constant once", () => {
    const definitions = new Map<string, string>();
    for (const file of [...files, "arch/x86_64/syscall.h"])
      for (const [, name = ""] of textOf(file).matchAll(/^#define (\w+)(?:\(.*?\))? \S/gm)) {
        assert.isUndefined(definitions.get(name), `${name} in ${file}`);
        definitions.set(name, file);
      }
    assert.isAbove(definitions.size, 150);
  });
});
