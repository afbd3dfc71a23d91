/*
 * npm run declarations: writes the declarations of all packages into their `dist/`, by one run of the compiler.
 *
 * One program for all reads the sources and the types of Effect once, not once for each package. It does not check
 * types, for that is what `npm run typecheck` does; what it cannot declare is an error here.
 *
 * The entries are those that `exports` in each package.json has. Beside each lie the files that it needs: one for each
 * source, as the compiler makes them, with maps that lead to `src/`. Others cannot be imported, as `exports` has it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import ts from "typescript";
import { root } from "./pnpm.mjs";

/** What ends the name of a declaration file, and the name by which others of its kind import it. */
const kinds = {
  esm: { declaration: ".d.ts", module: ".js" },
  cjs: { declaration: ".d.cts", module: ".cjs" },
};

/** The entries of a package: the source of each, and the kinds of modules that it is built as. */
const entriesOf = (folder) => {
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return Object.values(exports)
    .filter((entry) => entry?.["@rsyscall/source"] !== undefined)
    .map((entry) => ({
      source: resolve(folder, entry["@rsyscall/source"]),
      kinds: entry.require === undefined ? [kinds.esm] : [kinds.esm, kinds.cjs],
    }));
};

/** Has the compiler declare these sources, and what they import; by the name of the source. */
const declare = (sources) => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram(
    sources,
    {
      ...options,
      noEmit: false,
      noCheck: true,
      declaration: true,
      emitDeclarationOnly: true,
      declarationMap: true,
    },
    host,
  );
  const declared = new Map();
  const { diagnostics } = program.emit(undefined, (path, text, _mark, _onError, [source]) => {
    const file = declared.get(source.fileName) ?? {};
    declared.set(source.fileName, file);
    file[path.endsWith(".map") ? "map" : "text"] = text;
  });
  const errors = [
    ...program.getOptionsDiagnostics(),
    ...program.getSyntacticDiagnostics(),
    ...diagnostics,
  ];
  if (errors.length > 0) {
    process.stderr.write(ts.formatDiagnosticsWithColorAndContext(errors, host));
    process.exit(1);
  }
  return declared;
};

/** The names of modules in a declaration file, each with the statement or the type that has it. */
const importsOf = (text) => {
  const found = [];
  const visit = (node) => {
    const name = ts.isImportTypeNode(node) ? node.argument.literal : node.moduleSpecifier;
    if (name !== undefined) found.push({ node, name });
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("x.d.ts", text, ts.ScriptTarget.Latest));
  return found;
};

const isRelative = ({ name }) => name.text.startsWith(".");

/** The entries, and all that their declarations import of their package. */
const closure = (entries, declared) => {
  const found = new Set(entries);
  for (const source of found)
    for (const { name } of importsOf(declared.get(source).text).filter(isRelative))
      found.add(resolve(dirname(source), name.text));
  return found;
};

/** Where the declarations of a source go: dist/sys/socket.d.ts for src/sys/socket.ts. */
const placeOf = (folder, source, { declaration }) =>
  join(folder, "dist", relative(join(folder, "src"), source).replace(/\.ts$/, declaration));

/** A declaration file for modules of a kind, and its map. */
const write = (folder, source, { text, map }, kind) => {
  const place = placeOf(folder, source, kind);
  const mapPlace = `${place}.map`;
  // From the last to the first: so the places of those before stay right.
  const named = importsOf(text).reduceRight((before, imported) => {
    const { end } = imported.name;
    if (isRelative(imported))
      return `${before.slice(0, end - '.ts"'.length)}${kind.module}"${before.slice(end)}`;
    // The packages are ES modules, of which a CommonJS module imports nothing but types, and must say so.
    return kind === kinds.cjs && imported.node.importClause?.isTypeOnly
      ? `${before.slice(0, end)} with { "resolution-mode": "import" }${before.slice(end)}`
      : before;
  }, text);
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, named.replace(/^(\/\/# sourceMappingURL=).*$/m, `$1${basename(mapPlace)}`));
  writeFileSync(
    mapPlace,
    JSON.stringify({
      ...JSON.parse(map),
      file: basename(place),
      sources: [relative(dirname(place), source)],
    }),
  );
};

/** Removes the declarations of before. The rest of `dist/` is tsup's, which keeps these. */
const clean = (folder) => {
  const dist = join(folder, "dist");
  if (!existsSync(dist)) return;
  for (const path of readdirSync(dist, { recursive: true }))
    if (/\.d\.c?ts(\.map)?$/.test(path)) rmSync(join(dist, path));
};

const packages = readdirSync(join(root, "packages")).map((name) => {
  const folder = join(root, "packages", name);
  return { folder, entries: entriesOf(folder) };
});
const declared = declare(packages.flatMap(({ entries }) => entries.map(({ source }) => source)));
for (const { folder, entries } of packages) {
  clean(folder);
  for (const kind of Object.values(kinds)) {
    const sources = entries
      .filter((entry) => entry.kinds.includes(kind))
      .map(({ source }) => source);
    for (const source of closure(sources, declared))
      write(folder, source, declared.get(source), kind);
  }
}
