import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Effect } from "effect";
import ts from "typescript";
import { assert, describe } from "vitest";
import { execute, it } from "../harness/index.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** TypeScript between fences, in Markdown and in doc comments. */
const examplesIn = (path: string): Array<string> => {
  const text = readFileSync(path, "utf8").replace(/^ *\* ?/gm, path.endsWith(".ts") ? "" : "$&");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code as string);
};

const files = ["README.md", "ARCHITECTURE.md"]
  .concat(
    ["docs", "packages"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((path) => /\.md$|^[^/]+\/src\/.*\.ts$/.test(path) && !path.includes("node_modules"))
        .map((path) => join(folder, path)),
    ),
  )
  .map((path) => join(root, path));

/** Examples are programs as users write them: they run on the built packages, below the root. */
const directory = join(root, ".cache", `examples-${process.pid}`);

describe("examples in the documentation run", () => {
  for (const path of files)
    for (const [i, code] of examplesIn(path).entries())
      it(`${relative(root, path)}, number ${i + 1}`, function* () {
        const program = join(directory, `${relative(root, path).replaceAll("/", "_")}.${i}.mjs`);
        yield* Effect.acquireRelease(
          Effect.sync(() => mkdirSync(directory, { recursive: true })),
          () => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
        );
        const { outputText } = ts.transpileModule(code, {
          compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
        });
        writeFileSync(program, outputText);
        const { status, stderr } = yield* execute(process.execPath, [program], { timeout: 20_000 });
        assert.equal(status, 0, stderr.toString());
      });
});
