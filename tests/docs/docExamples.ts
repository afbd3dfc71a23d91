import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { noFleet } from "@rsyscall/harness";
import { filesBelow, packages, root } from "./files.ts";

/** TypeScript between fences, in Markdown or in a doc comment. */
export interface DocExample {
  /** The file that it is in, as seen from the root. */
  readonly path: string;
  /** Examples of a file are numbered from 1. */
  readonly number: number;
  /** The line of the file that its first line is in, from 1. */
  readonly line: number;
  readonly code: string;
  /** False for a fence that says `no-run`: it needs what a test does not have. */
  readonly runs: boolean;
  /** For a fence that says `fails`, a test file that fails: the block behind it, which shows what is printed. */
  readonly prints: string | undefined;
}

/** Why an example cannot run here. */
export const cannotRun = ({ code }: DocExample): string | undefined =>
  code.includes('"@rsyscall/fleet"') ? noFleet : undefined;

/** Whether an example is a test file of vitest. */
export const isVitest = ({ code }: DocExample): boolean =>
  /from "(vitest|@rsyscall\/mock\/vitest)"/.test(code);

const examplesIn = (path: string): Array<DocExample> => {
  const text = readFileSync(join(root, path), "utf8").replace(
    /^ *\* ?/gm,
    path.endsWith(".ts") ? "" : "$&",
  );
  return [...text.matchAll(/^```ts( no-run| fails)?\n(.*?)^```$(?:\n\n^```\n(.*?)^```$)?/gms)].map(
    ({ 1: mark, 2: code = "", 3: block = "", index }, i) => ({
      path,
      number: i + 1,
      line: text.slice(0, index).split("\n").length + 1,
      code,
      runs: mark !== " no-run",
      prints: mark === " fails" ? block : undefined,
    }),
  );
};

const pages = [".", "docs", "docs/mock", "examples", ...packages].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name)),
);

const sources = packages
  // Packages of platforms have no sources.
  .filter((folder) => existsSync(join(folder, "src")))
  .flatMap((folder) => filesBelow(join(folder, "src")))
  .filter((path) => path.endsWith(".ts"));

/** All examples of the documentation: of the pages, and of what is public in packages. */
export const docExamples: ReadonlyArray<DocExample> = [...pages, ...sources].flatMap(examplesIn);
