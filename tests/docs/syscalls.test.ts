import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { aarch64, x86_64 } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { assert, describe, test } from "vitest";
import { root } from "./files.ts";

const remedy = "docs/syscalls.md is not up to date: npm run syscalls";

const page = readFileSync(join(root, "docs/syscalls.md"), "utf8");

const unquoted = (cell = "") => cell.replaceAll("`", "").trim();

const rows = [...page.matchAll(/^\| (\w+)\(2\) \|(.*)\|$/gm)].map(([, call = "", cells = ""]) => {
  const [header, name, handles, since, tests] = cells.split("|").map(unquoted);
  return { call, header, name, handles, since, tests: tests?.split(", ") ?? [] };
});

const others = page
  .slice(page.indexOf("## Calls without a definition"))
  .split("\n\n")
  .flatMap((text) => [...text.matchAll(/`(\w+)`(?=[,.])/g)].map(([, name = ""]) => name));

// That the columns of handles and tests are up to date takes the compiler: `node scripts/syscalls.mjs --check`.
describe("docs/syscalls.md", () => {
  test("has each call of the kernel's tables once: defined, or without a definition and why", () => {
    const names = [x86_64, aarch64].flatMap(({ syscalls }) => Object.keys(syscalls));
    assert.deepEqual(
      [...rows.map(({ call }) => call), ...others].sort(),
      [...new Set(names)].sort(),
      remedy,
    );
    for (const { reason, names } of near.refused) {
      const at = page.indexOf(reason);
      assert.isAbove(at, 0, remedy);
      for (const name of names) assert.isAbove(page.indexOf(`\`${name}\``, at), at, remedy);
    }
  });

  test("names the function, the version and the header of each definition", () => {
    const exported = near as unknown as Record<string, { readonly definition?: unknown }>;
    for (const { call, header, name = "", since } of rows) {
      assert.equal(exported[name]?.definition, near.definitions.get(call), `${call}: ${remedy}`);
      assert.equal(since, near.since(call) ?? "", `${call}: ${remedy}`);
      const source = join(root, "packages/near/src", header?.replace(/\.h$/, ".ts") ?? "");
      assert.include(readFileSync(source, "utf8"), `const ${name} = define<`, remedy);
    }
  });

  test("names tests that there are", () => {
    for (const { call, tests } of rows)
      for (const name of tests.filter((name) => /\//.test(name)))
        assert(
          ["packages", "tests", "."].some((top) => existsSync(join(root, top, `${name}.test.ts`))),
          `${call}: ${name}; ${remedy}`,
        );
  });
});
