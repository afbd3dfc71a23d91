import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";

const executables = /(^|\/)(rsyscall-unix-stub|rsyscall-task)$/;

/** The files of a tarball, by their paths in the package, with their modes as ls(1) shows them. */
export const filesOf = (tarball) =>
  execFileSync("tar", ["-tvzf", tarball], { encoding: "utf8" })
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [mode, , , , , path] = line.split(/\s+/);
      return { mode, path: path.replace(/^package\//, "") };
    });

/** What is wrong with a tarball that a user would notice. */
export const faultsOf = (tarball) => {
  const files = filesOf(tarball);
  const paths = new Set(files.map(({ path }) => path));
  const faults = ["LICENSE", "README.md", "package.json"]
    .filter((path) => !paths.has(path))
    .map((path) => `has no ${path}`);
  for (const { mode, path } of files) {
    if (/(^|\/)tests?\/|\.test\.|tsbuildinfo|node_modules/.test(path)) faults.push(`has ${path}`);
    if (executables.test(path) && mode !== "-rwxr-xr-x") faults.push(`${path} is ${mode}`);
  }
  const content = mkdtempSync(join(tmpdir(), "rsyscall-release-"));
  try {
    execFileSync("tar", ["-xzf", tarball, "-C", content]);
    const folder = join(content, "package");
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    for (const field of ["repository", "homepage", "bugs", "keywords", "license", "description"])
      if (manifest[field] === undefined) faults.push(`package.json has no ${field}`);
    if (manifest.scripts !== undefined)
      for (const name of Object.keys(manifest.scripts))
        if (/install/.test(name)) faults.push(`has a script ${name}`);
    if (JSON.stringify(manifest).includes("workspace:")) faults.push("depends on workspace:");
    for (const path of paths) {
      if (/\.[cm]?js$/.test(path))
        for (const name of readFileSync(join(folder, path), "utf8").matchAll(/class (_\w+)/g))
          faults.push(`${path} has a class ${name[1]}`);
      if (!/^dist\/.*js\.map$/.test(path)) continue;
      const { sources, sourcesContent } = JSON.parse(readFileSync(join(folder, path), "utf8"));
      // Sources of other packages are in the map itself.
      for (const [i, source] of sources.entries())
        if (!paths.has(normalize(join(dirname(path), source))) && !sourcesContent?.[i])
          faults.push(`${path} leads to ${source}, which is not there`);
    }
  } finally {
    rmSync(content, { recursive: true });
  }
  return faults;
};

/** What npm would pack of a folder: some versions of npm change modes. */
export const npmFaultsOf = (folder) => {
  const target = mkdtempSync(join(tmpdir(), "rsyscall-release-"));
  try {
    execFileSync("npm", ["pack", "--pack-destination", target, "--loglevel=error"], {
      cwd: folder,
      stdio: "pipe",
    });
    return readdirSync(target)
      .flatMap((file) => filesOf(join(target, file)))
      .filter(({ mode, path }) => executables.test(path) && mode !== "-rwxr-xr-x")
      .map(({ mode, path }) => `${path} is ${mode} in npm's tarball`);
  } finally {
    rmSync(target, { recursive: true });
  }
};
