/*
 * Builds the documentation into site/dist: the pages of docs/, and the API reference below api/. Ends with status 1
 * if a symbol has no comment, or if a link leads nowhere. tests/docs/site.test.ts opens what is built in a browser.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brokenLinks } from "./links.mjs";
import { makeReference } from "./reference.mjs";
import { searchProblems } from "./search.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const pages = join(here, "pages");
const out = join(here, "dist");
const base = process.env.DOCS_BASE ?? "/";

/** Pages that are elsewhere in the repository, by their addresses in the site. */
const others = {
  "ARCHITECTURE.md": "architecture.md",
  "README.md": "index.md",
  "CONTRIBUTING.md": undefined,
};

/** The address of a file of the repository in the site, absolute; undefined if the site does not have it. */
const addressOf = (path) => {
  if (path in others) return others[path] && `/${others[path].replace(/\.md$/, ".html")}`;
  const inDocs = /^docs\/(.*\.md)$/.exec(path)?.[1];
  if (inDocs !== undefined)
    return `/${inDocs.replace(/(^|\/)README\.md$/, "$1index.html").replace(/\.md$/, ".html")}`;
  const name = /^packages\/([\w-]+)(\/README\.md)?$/.exec(path)?.[1];
  if (name !== undefined)
    return `/api/modules/${name === "rsyscall" ? name : `_rsyscall_${name}`}.html`;
  return undefined;
};

/** A page as the site has it: links to files of the repository lead to pages, or are plain text. */
const staged = (text, path) =>
  text.replace(
    /(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s#]+)(#[^)]*)?\)/g,
    (whole, mark, label, target, anchor = "") => {
      if (mark === "!") return whole;
      const address = addressOf(posix.join(posix.dirname(path), target));
      if (address === undefined) return label;
      return `[${label}](${address.startsWith("/api/") ? `${base}${address.slice(1)}` : address}${anchor})`;
    },
  );

const stage = (path, to) => {
  const file = join(pages, to);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, staged(readFileSync(join(root, path), "utf8"), path));
};

rmSync(pages, { recursive: true, force: true });
for (const name of readdirSync(join(root, "docs"), { recursive: true })) {
  const path = posix.join("docs", name);
  if (name.endsWith(".md")) stage(path, name.replace(/(^|\/)README\.md$/, "$1index.md"));
  else if (name.endsWith(".svg")) {
    cpSync(join(root, path), join(pages, name));
    // The home page names it in its front matter, which VitePress takes for the address of a public file.
    cpSync(join(root, path), join(pages, "public", name));
  }
}
stage("ARCHITECTURE.md", "architecture.md");

const vitepress = join(here, "node_modules/vitepress/bin/vitepress.js");
const { status } = spawnSync(process.execPath, [vitepress, "build", here], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

const { problems, count } = await makeReference(join(out, "api"), base);
problems.push(...brokenLinks(out, base), ...(await searchProblems(out)));
for (const problem of problems) console.error(problem);
console.log(`${relative(root, out)}/index.html: ${count} symbols; ${problems.length} problems`);
process.exitCode = problems.length === 0 && existsSync(join(out, "index.html")) ? 0 : 1;
