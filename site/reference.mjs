/*
 * The API reference: all that the packages export, by TypeDoc, as pages of HTML. An export without a comment, a
 * link that leads nowhere, or a type that is used in public and not exported is an error.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Application, Comment, Converter, LogLevel, normalizePath, ReflectionKind } from "typedoc";
import { withManPages } from "./manPages.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

const manifests = readdirSync(join(root, "packages"))
  .map((folder) => ({ folder, path: join(root, "packages", folder, "package.json") }))
  .filter(({ path }) => existsSync(path))
  .map(({ folder, path }) => ({ folder, ...JSON.parse(readFileSync(path, "utf8")) }))
  .filter((manifest) => manifest.private !== true && manifest.exports !== undefined);

/** Where the sources are; undefined if the packages do not say it. */
const repository = manifests
  .find(({ name }) => name === "rsyscall")
  ?.repository?.url.replace(/^git\+/, "")
  .replace(/\.git$/, "");

/** A package comes behind those that it re-exports: what both have is described where it is defined. */
const order = ({ name }) => (name === "rsyscall" ? 1 : 0);

/** Each public module: its name in an import, and its source. */
const modules = manifests
  .toSorted((a, b) => order(a) - order(b))
  .flatMap(({ folder, name, exports }) =>
    Object.entries(exports).flatMap(([subpath, conditions]) => {
      const source = conditions?.["@rsyscall/source"];
      if (source === undefined) return [];
      const file = join(root, "packages", folder, source);
      return [{ name: join(name, subpath), file, folder, isMain: subpath === "." }];
    }),
  );

/** A package's README, whose links lead to pages of the site. */
const readme = (folder) => {
  const text = readFileSync(join(root, "packages", folder, "README.md"), "utf8");
  return text
    .replace(/^# .*\n+/, "")
    .replace(/\]\((?:\.\.\/)+docs\/([\w./-]+?)\.md(#[\w-]*)?\)/g, (_, page, anchor = "") => {
      const html = page.replace(/README$/, "index");
      return `](../../${html}.html${anchor})`;
    })
    .replace(/\[([^\]]*)\]\((?!https?:|\.\.\/\.\.\/[\w/-]+\.html|#)[^)]*\)/g, "$1");
};

const linked = (parts) =>
  parts.map((part) =>
    part.kind === "text"
      ? { ...part, text: withManPages(part.text, (text, url) => `[${text}](${url})`) }
      : part,
  );

const link = (comment) => {
  comment.summary = linked(comment.summary);
  for (const tag of comment.blockTags) tag.content = linked(tag.content);
};

/** Names that mean the same wherever they are: of Error, of Effect, of JavaScript. */
const conventional = new Set(["message", "name", "_tag", "toString", "asEffect"]);

/** Objects whose properties are names, and say what they are. */
const lists = new Set(["ProgramNames"]);

const isDocumented = (reflection) =>
  reflection.hasComment() ||
  (reflection.signatures?.some((signature) => signature.hasComment()) ?? false) ||
  (reflection.getSignature?.hasComment() ?? false) ||
  (reflection.setSignature?.hasComment() ?? false) ||
  (reflection.type?.type === "reflection" &&
    (reflection.type.declaration.signatures?.some((signature) => signature.hasComment()) ?? false));

const place = (reflection) => {
  const { sources } = reflection.signatures?.[0] ?? reflection.getSignature ?? reflection;
  return sources?.[0] === undefined ? "" : ` (packages/${sources[0].fileName}:${sources[0].line})`;
};

/** What has no comment, with its place. */
const undocumented = (project) => {
  const found = [];
  let count = 0;
  const look = (reflection) => {
    if (reflection.kindOf(ReflectionKind.Reference)) return;
    const isOwn = !reflection.flags.isInherited && !reflection.kindOf(ReflectionKind.Constructor);
    if (!reflection.kindOf(ReflectionKind.Module) && isOwn) {
      const isNamed = reflection.parent?.kindOf(ReflectionKind.ClassOrInterface) ?? false;
      if (isNamed && conventional.has(reflection.name)) return;
      count++;
      if (!isDocumented(reflection))
        found.push(`${reflection.getFriendlyFullName()} has no comment${place(reflection)}`);
    }
    const isOpen = reflection.kindOf(ReflectionKind.SomeModule | ReflectionKind.ClassOrInterface);
    if (isOpen && !lists.has(reflection.name))
      for (const child of reflection.children ?? []) look(child);
  };
  for (const module of project.children) look(module);
  return { found, count };
};

/**
 * Reads all packages, and writes the pages if there is a folder for them.
 *
 * @param folder where the pages go; undefined: only the comments are checked
 * @param home the address of the guide
 * @returns what is wrong, a line each, and how many symbols were looked at
 */
export const makeReference = async (folder, home = "/") => {
  const app = await Application.bootstrap({
    name: "rsyscall",
    entryPoints: modules.map(({ file }) => file),
    entryPointStrategy: "resolve",
    tsconfig: join(root, "tsconfig.json"),
    basePath: join(root, "packages"),
    displayBasePath: join(root, "packages"),
    alwaysCreateEntryPointModule: true,
    excludeExternals: true,
    excludePrivate: true,
    excludeInternal: true,
    // Types are checked by tsc, beside this.
    skipErrorChecking: true,
    readme: "none",
    disableGit: true,
    sourceLinkTemplate:
      repository === undefined ? "unknown" : `${repository}/blob/main/packages/{path}#L{line}`,
    navigationLinks: { Guide: home },
    sort: ["kind", "alphabetical"],
    githubPages: false,
    searchInComments: true,
    hideGenerator: true,
    validation: {
      invalidLink: true,
      invalidPath: true,
      notExported: true,
      rewrittenLink: true,
      unusedMergeModuleWith: true,
    },
    logLevel: LogLevel.Warn,
  });
  const problems = [];
  app.logger.log = (message, level) => {
    if (level >= LogLevel.Warn) problems.push(message);
  };
  const names = new Map(modules.map((module) => [normalizePath(module.file), module]));
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of project.getReflectionsByKind(ReflectionKind.Module)) {
      const file = project.getSymbolIdFromReflection(reflection)?.fileName;
      const module = names.get(file);
      if (module === undefined) throw new Error(`${reflection.name} (${file}) is no public module`);
      reflection.name = module.name;
      if (module.isMain)
        reflection.comment = new Comment([{ kind: "text", text: readme(module.folder) }]);
    }
  });
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const reflection of Object.values(project.reflections))
      if (reflection.comment) link(reflection.comment);
  });
  const project = await app.convert();
  if (project === undefined)
    return { problems: ["the packages cannot be read", ...problems], count: 0 };
  app.validate(project);
  const { found, count } = undocumented(project);
  if (repository === undefined)
    for (const { sources } of Object.values(project.reflections))
      for (const source of sources ?? []) delete source.url;
  if (folder !== undefined) await app.generateDocs(project, folder);
  return { problems: [...found, ...problems], count };
};
