import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execute, it } from "@rsyscall/harness";
import { runVitest, type VitestRun } from "@rsyscall/harness/vitest";
import { Effect } from "effect";
import ts from "typescript";
import { afterAll, assert, beforeAll, describe, test } from "vitest";
import { docExamples, isVitest } from "./docExamples.ts";
import { root } from "./files.ts";

/** Examples are programs as users write them: they run on the built packages, below the root. */
const directory = join(root, ".cache", `examples-${process.pid}`);

const running = docExamples.filter(({ runs }) => runs);

describe("examples in the documentation run", () => {
  for (const { path, number, code } of running.filter((example) => !isVitest(example)))
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

/** A failure as pages show it: without its stack, and in a project of the reader. */
const shown = (failure: string): string =>
  failure
    .replace(/\n +at .*/s, "")
    .replaceAll(root.slice(0, -1), "/home/you/project")
    .replace(/pid \d+/g, "pid 4242");

/* One vitest of its own has them all, each as a file. */
describe("examples of tests in the documentation pass", () => {
  const examples = running.filter(isVitest).map((example) => ({
    ...example,
    file: `${example.path.replaceAll("/", "_")}.${example.number}.test.ts`,
  }));
  const tests = `${directory}-vitest`;
  let run: VitestRun;

  beforeAll(async () => {
    mkdirSync(tests, { recursive: true });
    // Packages are not transformed, as those of a user are not; a busy machine has more time than a user.
    writeFileSync(
      join(tests, "vitest.config.mjs"),
      "export default { test: { testTimeout: 30_000, server: { deps: { external: [/packages\\/.*\\/dist\\//] } } } };",
    );
    for (const { file, code } of examples) writeFileSync(join(tests, file), code);
    run = await runVitest(["--root", tests]);
  }, 120_000);

  afterAll(() => rmSync(tests, { recursive: true, force: true }));

  for (const { path, number, file, prints } of examples)
    test(`${path}, number ${number}`, () => {
      const own = run.tests.filter((test) => test.file === file);
      assert.isNotEmpty(own, run.output);
      const failures = own.flatMap(({ failures }) => failures);
      if (prints === undefined) assert.deepEqual(failures, []);
      else {
        assert.isNotEmpty(failures);
        for (const failure of failures) assert.include(prints, shown(failure));
      }
    });
});
