import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execute, it } from "@rsyscall/harness";
import { runVitest, type VitestRun } from "@rsyscall/harness/vitest";
import { Effect } from "effect";
import ts from "typescript";
import { afterAll, assert, beforeAll, describe, test } from "vitest";
import { cannotRun, type DocExample, docExamples, isVitest } from "./docExamples.ts";
import { root } from "./files.ts";

/** Examples are programs as users write them: they run on the built packages, below the root. */
const directory = join(root, ".cache", `examples-${process.pid}`);

const runExamples = fileURLToPath(new URL("runExamples.mjs", import.meta.url));

const running = docExamples.filter(({ runs }) => runs);

/* One process has them all, one after the other; tests of node:test are asked for by process, and have one each. */
describe("examples in the documentation run", () => {
  const examples = running
    .filter((example) => !isVitest(example))
    .map((example) => ({
      ...example,
      file: join(directory, `${example.path.replaceAll("/", "_")}.${example.number}.mjs`),
    }));
  const isNodeTest = ({ code }: DocExample) => code.includes('from "node:test"');
  const together = examples.filter(
    (example) => !isNodeTest(example) && cannotRun(example) === undefined,
  );
  let problems: ReadonlyArray<string | null> = [];
  let output = "";

  beforeAll(async () => {
    mkdirSync(directory, { recursive: true });
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
    for (const { file, code } of examples)
      writeFileSync(file, ts.transpileModule(code, { compilerOptions }).outputText);
    const results = join(directory, "results.json");
    const { status, signal, stderr } = await Effect.runPromise(
      execute(process.execPath, [runExamples, results, ...together.map(({ file }) => file)], {
        timeout: 110_000,
      }),
    );
    output = `${signal ?? status}: ${stderr}`;
    problems = JSON.parse(readFileSync(results, "utf8"));
  }, 120_000);

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  for (const example of examples)
    it.skipIf(cannotRun(example))(`${example.path}, number ${example.number}`, function* () {
      if (isNodeTest(example)) {
        const { status, stderr } = yield* execute(process.execPath, [example.file], {
          timeout: 20_000,
        });
        assert.equal(status, 0, stderr.toString());
      } else assert.strictEqual(problems[together.indexOf(example)], null, output);
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
