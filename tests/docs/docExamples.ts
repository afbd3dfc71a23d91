import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

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
}

const examplesIn = (path: string): Array<DocExample> => {
  const text = readFileSync(path, "utf8").replace(/^ *\* ?/gm, path.endsWith(".ts") ? "" : "$&");
  return [...text.matchAll(/^```ts( no-run)?\n(.*?)^```$/gms)].map(
    ({ 1: noRun, 2: code = "", index }, i) => ({
      path: relative(root, path),
      number: i + 1,
      line: text.slice(0, index).split("\n").length + 1,
      code,
      runs: noRun === undefined,
    }),
  );
};

const filesIn = (folder: string, recursive = false): Array<string> =>
  readdirSync(join(root, folder), { recursive, encoding: "utf8" }).map((path) =>
    join(root, folder, path),
  );

const packages = readdirSync(join(root, "packages")).map((name) => join("packages", name));

/** All examples of the documentation: of the pages, and of what is public in packages. */
export const docExamples: ReadonlyArray<DocExample> = [
  // What is below a package's node_modules are links back to the packages.
  ...[".", "docs", "examples", ...packages]
    .flatMap((folder) => filesIn(folder))
    .filter((path) => path.endsWith(".md")),
  ...packages
    .flatMap((folder) => filesIn(join(folder, "src"), true))
    .filter((path) => path.endsWith(".ts")),
].flatMap(examplesIn);
