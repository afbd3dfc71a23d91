/*
 * npm run syscalls: writes docs/syscalls.md, the table of all system calls. With --check it fails if the page is not
 * what it would write.
 *
 * Nothing in the table is written by hand. The definitions and refusals are those of @rsyscall/near; which functions
 * and methods make a call, and which tests use them, the compiler says: it resolves each name to its declaration.
 */
import "./setup.mjs";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./pnpm.mjs";
import { pageOf } from "./syscalls/page.mjs";
import { References } from "./syscalls/References.mjs";
import { tableOf } from "./syscalls/tableOf.mjs";

const { definitions, refused, since } = await import("@rsyscall/near");
const path = join(root, "docs/syscalls.md");
const table = tableOf(new References(root)).filter(({ call }) => definitions.has(call));
const missing = [...definitions.keys()].filter((name) => !table.some(({ call }) => call === name));
if (missing.length > 0) throw new Error(`not found in the sources of near: ${missing.join(", ")}`);
const page = pageOf(table, since, refused);
if (!process.argv.includes("--check")) writeFileSync(path, page);
else if (readFileSync(path, "utf8") !== page) {
  console.error("docs/syscalls.md is not up to date: npm run syscalls");
  process.exitCode = 1;
}
