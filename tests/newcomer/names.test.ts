import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { it } from "@rsyscall/harness";
import { Effect } from "effect";
import ts from "typescript";
import { assert, describe } from "vitest";

/* The rule for names that ARCHITECTURE.md has, in the declarations of the built packages. */

const root = fileURLToPath(new URL("../../packages", import.meta.url));

const indexes = readdirSync(root).map((name) => `${root}/${name}/dist/index.d.ts`);
const program = ts.createProgram(indexes, {
  module: ts.ModuleKind.Preserve,
  types: [],
  noLib: true,
});
const checker = program.getTypeChecker();

/** What the exports of a module are declared by. */
const exportsOf = (module: ts.Symbol): ReadonlyArray<ts.Declaration> =>
  checker.getExportsOfModule(module).flatMap((name) => {
    const symbol = name.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name;
    return symbol.flags & ts.SymbolFlags.ValueModule
      ? exportsOf(symbol)
      : (symbol.declarations ?? []);
  });

/** What users can name. The rest of the files is not exported by an index. */
const declarations = [
  ...new Set(
    indexes.flatMap((path) => {
      const file = program.getSourceFile(path);
      const module = file && checker.getSymbolAtLocation(file);
      return module === undefined ? [] : exportsOf(module);
    }),
  ),
].filter((declaration) => declaration.getSourceFile().fileName.startsWith(root));

type Member = ts.ClassElement | ts.TypeElement;

/** Members of all classes, interfaces and types of objects. */
const members = declarations.flatMap((declaration) => {
  const found: Array<Member> = [];
  const visit = (node: ts.Node): void => {
    if (ts.isClassLike(node) || ts.isInterfaceDeclaration(node) || ts.isTypeLiteralNode(node))
      found.push(...node.members);
    ts.forEachChild(node, visit);
  };
  visit(declaration);
  return found;
});

/** Whether a type is that of an Effect to be run, be it optional. */
const isEffect = (type: ts.TypeNode | undefined): boolean => {
  if (type === undefined) return false;
  if (ts.isUnionTypeNode(type)) return type.types.some(isEffect);
  if (!ts.isTypeReferenceNode(type)) return false;
  const { typeName } = type;
  const { text } = ts.isQualifiedName(typeName) ? typeName.right : typeName;
  return text === "Effect" || text === "Syscall";
};

const nameOf = ({ parent, name }: Member): string => {
  const owner = (parent as ts.ClassLikeDeclaration).name?.text ?? "an object";
  return `${parent.getSourceFile().fileName.slice(root.length + 1)}: ${owner}.${name?.getText()}`;
};

describe("names", () => {
  it("are those of methods where there is an Effect", function* () {
    assert.isAbove(members.length, 1000);
    const values = members.filter(
      (member) =>
        (ts.isGetAccessor(member) ||
          ts.isPropertyDeclaration(member) ||
          ts.isPropertySignature(member)) &&
        isEffect(member.type),
    );
    assert.deepEqual(values.map(nameOf), []);
    yield* Effect.void;
  });

  it("of what constructs a handle are `make`", function* () {
    const constructors = members
      .filter(ts.isMethodDeclaration)
      .filter(({ modifiers }) =>
        modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword),
      )
      .filter(({ type }) => isEffect(type));
    assert.isAbove(constructors.length, 20);
    const others = constructors.filter(({ name }) =>
      /^(create|open|launch|start|fork|listen)$/.test(name.getText()),
    );
    assert.deepEqual(others.map(nameOf), []);
    yield* Effect.void;
  });

  it("of what acts on a process are those of functions that take a Thread as well as a Task", function* () {
    const functions = declarations
      .filter((declaration) => declaration.getSourceFile().fileName.startsWith(`${root}/handle/`))
      .filter(ts.isVariableDeclaration)
      .flatMap(({ name, type }) =>
        type !== undefined && ts.isFunctionTypeNode(type) ? [{ name, type }] : [],
      );
    const firstOf = (type: ts.SignatureDeclarationBase) => type.parameters[0]?.type?.getText();
    const takesLike = functions.filter(({ type }) => firstOf(type) === "TaskLike");
    assert.isAbove(takesLike.length, 80);
    const others = functions.filter(({ type }) => firstOf(type) === "Task");
    assert.deepEqual(
      others.map(({ name }) => name.getText()),
      [],
    );
    yield* Effect.void;
  });
});
