import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execute, it } from "@rsyscall/harness";
import { Effect } from "effect";
import ts from "typescript";
import { assert, describe } from "vitest";
import { docExamples } from "./docExamples.ts";
import { root } from "./files.ts";

/** Examples are programs as users write them: they run on the built packages, below the root. */
const directory = join(root, ".cache", `examples-${process.pid}`);

describe("examples in the documentation run", () => {
  for (const { path, number, code } of docExamples.filter(({ runs }) => runs))
    it(`${path}, number ${number}`, function* () {
      const program = join(directory, `${path.replaceAll("/", "_")}.${number}.mjs`);
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
