import { join } from "node:path";
import ts from "typescript";
import { assert, beforeAll, describe, test } from "vitest";
import { type DocExample, docExamples } from "./docExamples.ts";
import { root } from "./files.ts";

/*
 * Examples are checked as a strict program would be, against the sources. One program has them all, so that the
 * packages are read once. Its files are in memory only: each is where a program of the repository would be.
 */

const fileOf = ({ path, number }: DocExample): string =>
  join(root, "examples", "src", `${path.replaceAll("/", "_")}.${number}.ts`);

/** The options of the repository, but for those that readers with `strict` alone do not have. */
const options = (): ts.CompilerOptions => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, include: [], files: [] },
    ts.sys,
    root,
  );
  return {
    ...options,
    noUncheckedIndexedAccess: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
};

describe("examples in the documentation type-check", () => {
  let program: ts.Program;

  beforeAll(() => {
    const files = new Map(docExamples.map((example) => [fileOf(example), example.code]));
    const host = ts.createCompilerHost(options());
    const { readFile, fileExists } = host;
    host.readFile = (path) => files.get(path) ?? readFile(path);
    host.fileExists = (path) => files.has(path) || fileExists(path);
    program = ts.createProgram([...files.keys()], options(), host);
  }, 120_000);

  for (const example of docExamples)
    test(`${example.path}, number ${example.number}`, () => {
      const file = program.getSourceFile(fileOf(example));
      const faults = [
        ...program.getSyntacticDiagnostics(file),
        ...program.getSemanticDiagnostics(file),
      ];
      const texts = faults.map(({ start = 0, messageText }) => {
        const { line = 0 } = file?.getLineAndCharacterOfPosition(start) ?? {};
        return `${example.path}:${example.line + line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
      });
      assert.deepEqual(texts, []);
    });
});
