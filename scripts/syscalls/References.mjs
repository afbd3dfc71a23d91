import { join, relative, resolve } from "node:path";
import ts from "typescript";

/** The packages whose functions and methods are shown: where a program calls what near defines. */
const shown = ["handle", "epoller", "thread", "connection", "memory", "far"];

const isShown = (path) => shown.some((name) => path.startsWith(`packages/${name}/src/`));

const append = (lists, key, value) => {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
};

/** Names that a class or a module keeps to itself. */
const isPrivate = (node) =>
  (node.name !== undefined && ts.isPrivateIdentifier(node.name)) ||
  (ts.getCombinedModifierFlags(node) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !==
    0;

/** The sources of the repository, and what refers to what in them, as the compiler resolves the names. */
export class References {
  #root;
  #checker;
  /** All identifiers by their text, without those of imports and exports. */
  #identifiers = new Map();
  /** The local names of imported ones, by their names where they come from. */
  #renamed = new Map();
  /** The public declarations of the shown packages, and their names. */
  #public = new Map();

  constructor(root) {
    this.#root = resolve(root);
    const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} };
    const { fileNames, options } = ts.getParsedCommandLineOfConfigFile(
      join(root, "tsconfig.json"),
      {},
      host,
    );
    const program = ts.createProgram(fileNames, options);
    this.#checker = program.getTypeChecker();
    this.sources = program
      .getSourceFiles()
      .filter(
        ({ fileName }) =>
          fileName.startsWith(`${this.#root}/`) && !fileName.includes("/node_modules/"),
      );
    for (const source of this.sources) this.#index(source);
    for (const name of shown) this.#publish(program, name);
  }

  /** The path of the node's file, from the top of the repository. */
  pathOf(node) {
    return relative(this.#root, node.getSourceFile().fileName);
  }

  #index(node) {
    if (ts.isImportSpecifier(node) || ts.isExportSpecifier(node)) {
      if (node.propertyName !== undefined)
        this.#renamed.set(node.propertyName.text, [
          ...(this.#renamed.get(node.propertyName.text) ?? []),
          node.name.text,
        ]);
      return;
    }
    if (ts.isMemberName(node)) {
      append(this.#identifiers, node.text, node);
    }
    ts.forEachChild(node, (child) => this.#index(child));
  }

  #resolved(symbol) {
    return symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias
      ? this.#checker.getAliasedSymbol(symbol)
      : symbol;
  }

  #publish(program, name) {
    const index = program.getSourceFile(join(this.#root, `packages/${name}/src/index.ts`));
    const module = this.#checker.getSymbolAtLocation(index);
    for (const symbol of this.#checker.getExportsOfModule(module))
      for (const declaration of this.#resolved(symbol).declarations ?? []) {
        if (ts.isVariableDeclaration(declaration) || ts.isFunctionDeclaration(declaration))
          this.#public.set(declaration, symbol.name);
        if (ts.isClassDeclaration(declaration))
          for (const member of declaration.members)
            if (member.name !== undefined && !isPrivate(member))
              this.#public.set(member, `${symbol.name}.${member.name.getText()}`);
      }
  }

  /** The identifiers that mean this declaration, the one in it excluded. */
  to(declaration) {
    const { name } = declaration;
    return [name.text, ...(this.#renamed.get(name.text) ?? [])]
      .flatMap((text) => this.#identifiers.get(text) ?? [])
      .filter((identifier) => identifier !== name)
      .filter((identifier) => {
        const symbol = this.#resolved(this.#checker.getSymbolAtLocation(identifier));
        return symbol?.declarations?.includes(declaration) ?? false;
      });
  }

  /** The member of a class, or the function or variable of a module, that the node is in. */
  #owner(node) {
    for (let at = node; at.parent !== undefined; at = at.parent) {
      if (ts.isClassElement(at) && ts.isClassDeclaration(at.parent)) return at;
      if (ts.isSourceFile(at.parent)) return undefined;
      const isTop = ts.isVariableDeclaration(at) && ts.isSourceFile(at.parent.parent.parent);
      if (isTop || (ts.isFunctionDeclaration(at) && ts.isSourceFile(at.parent))) return at;
    }
    return undefined;
  }

  /** The tests that refer to a declaration, once for each reference. */
  #testsOf(declaration) {
    return this.to(declaration)
      .map((reference) => this.pathOf(reference))
      .filter((path) => path.endsWith(".test.ts"));
  }

  /**
   * The public functions and methods that refer to a declaration, directly or through functions that are not public,
   * and all references from tests to it or to them.
   */
  usersOf(declaration) {
    const users = [];
    const tests = [];
    const seen = new Set([declaration]);
    const queue = [declaration];
    for (let at = queue.shift(); at !== undefined; at = queue.shift())
      for (const reference of this.to(at)) {
        const path = this.pathOf(reference);
        if (path.endsWith(".test.ts")) {
          tests.push(path);
          continue;
        }
        const owner = isShown(path) ? this.#owner(reference) : undefined;
        if (owner?.name === undefined || seen.has(owner)) continue;
        seen.add(owner);
        const user = this.#public.get(owner);
        if (user === undefined) queue.push(owner);
        else {
          users.push(user);
          tests.push(...this.#testsOf(owner));
        }
      }
    return { users, tests };
  }
}
