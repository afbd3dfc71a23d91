import { relative } from "node:path";
import ts from "typescript";

/** The exported functions of near that `define` makes, each with the name of its call. */
const definitionsIn = (references) =>
  references.sources
    .filter((source) => references.pathOf(source).startsWith("packages/near/src/"))
    .flatMap((source) =>
      source.statements
        .filter(ts.isVariableStatement)
        .flatMap(({ declarationList }) => declarationList.declarations)
        .map((declaration) => ({ declaration, made: declaration.initializer }))
        .filter(({ made }) => made !== undefined && ts.isCallExpression(made))
        .filter(({ made }) => made.expression.getText() === "define")
        .map(({ declaration, made }) => ({ declaration, call: made.arguments[0].text })),
    );

/** The names of calls that a test makes by name: `call(task, "flock", ...)`. */
const callsByName = (references) => {
  const tests = new Map();
  for (const source of references.sources) {
    const path = references.pathOf(source);
    if (!path.endsWith(".test.ts")) continue;
    const visit = (node) => {
      if (ts.isCallExpression(node) && /^(near\.)?call$/.test(node.expression.getText())) {
        const [, name] = node.arguments;
        if (name !== undefined && ts.isStringLiteral(name))
          tests.set(name.text, [...(tests.get(name.text) ?? []), path]);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return tests;
};

/** The header that the man page names, from the path of near's file. */
const headerOf = (path) => `${relative("packages/near/src", path).replace(/\.ts$/, "")}.h`;

/** Without case, numbers and underscores: `pread64` and `preadBytes` begin alike. */
const plain = (name) => name.toLowerCase().replace(/[^a-z]/g, "");

/** The names that belong to the call first: `FileDescriptor.dup3` before `makeEpoller`, for dup3. */
const byLikeness = (call) => (a, b) => {
  const distance = (name) => {
    const [own, theirs] = [plain(call), plain(name.slice(name.lastIndexOf(".") + 1))];
    return own === theirs ? 0 : theirs.startsWith(own) || own.startsWith(theirs) ? 1 : 2;
  };
  return distance(a) - distance(b);
};

/** A number for each, most frequent first. */
const byFrequency = (names) => {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
};

/** What the sources say of each system call: its header, near's function, the functions and methods, the tests. */
export const tableOf = (references) => {
  const named = callsByName(references);
  return definitionsIn(references)
    .map(({ declaration, call }) => {
      const { users, tests } = references.usersOf(declaration);
      return {
        call,
        header: headerOf(references.pathOf(declaration)),
        near: declaration.name.text,
        handles: [...new Set(users)].sort(byLikeness(call)),
        tests: byFrequency([...tests, ...(named.get(call) ?? [])]),
      };
    })
    .sort((a, b) => (a.call < b.call ? -1 : 1));
};
