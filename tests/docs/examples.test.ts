import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { execute, it } from "@rsyscall/harness";
import { Effect } from "effect";
import ts from "typescript";
import { assert, describe } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** TypeScript between fences, in Markdown and in doc comments. */
const examplesIn = (path: string): Array<string> => {
  const text = readFileSync(path, "utf8").replace(/^ *\* ?/gm, path.endsWith(".ts") ? "" : "$&");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code as string);
};

const filesIn = (folder: string, recursive = false): Array<string> =>
  readdirSync(join(root, folder), { recursive, encoding: "utf8" }).map((path) =>
    join(folder, path),
  );

/** Not what is below a package's node_modules: links back to the packages, and in those again. */
const packages = readdirSync(join(root, "packages")).map((name) => join("packages", name));

const files = [".", "docs", ...packages]
  .flatMap((folder) => filesIn(folder).filter((path) => path.endsWith(".md")))
  .concat(
    packages.flatMap((folder) =>
      filesIn(join(folder, "src"), true).filter((path) => path.endsWith(".ts")),
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
