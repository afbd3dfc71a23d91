import { accessSync, constants, existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve as absolute, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { NativeLoadError } from "./errors.ts";

/** The machines for which there is a package with the files. */
const platforms: ReadonlyArray<string> = ["linux-arm64", "linux-x64"];

/** The environment variable that names the directory of the files. */
const VARIABLE = "RSYSCALL_NATIVE_DIR";

/** This file; also in a bundle that is CommonJS, where bundlers leave import.meta empty. */
const here = import.meta.url ? fileURLToPath(import.meta.url) : __filename;

/** Finds modules as this file does. */
const requireHere = createRequire(here);

/** Where to look, and how a module is found. Default: this process. */
interface Surroundings {
  /** As `process.platform` and `process.arch` say. */
  readonly platform: string;
  readonly directory: string | undefined;
  /** The file that looks. */
  readonly file: string;
  readonly resolve: (module: string) => string;
}

const surroundings = (): Surroundings => ({
  platform: `${process.platform}-${process.arch}`,
  directory: process.env[VARIABLE],
  file: here,
  resolve: requireHere.resolve,
});

/**
 * The directory with the addon and the executables: the one that RSYSCALL_NATIVE_DIR names, or what this repository
 * has built, or the package of the platform.
 *
 * @throws NativeLoadError if there is none
 */
export const findDirectory = (around: Surroundings = surroundings()): string => {
  const { platform, directory, file, resolve } = around;
  if (directory !== undefined && directory !== "") {
    if (existsSync(join(directory, "rsyscall.node"))) return absolute(directory);
    throw new NativeLoadError(
      `Cannot load rsyscall.node from ${directory}: it is not there: set ${VARIABLE} to the directory "build" of @rsyscall/native-${platform} or of a copy of it, or unset it`,
    );
  }
  if (!platforms.includes(platform))
    throw new NativeLoadError(
      `Cannot load the addon of @rsyscall/native: it supports ${platforms.join(" and ")}, and this is ${platform}: run this program on one of them`,
    );
  const built = join(dirname(file), "../build");
  if (existsSync(join(built, "rsyscall.node"))) return built;
  const name = `@rsyscall/native-${platform}`;
  let found: string;
  try {
    found = resolve(`${name}/rsyscall.node`);
  } catch (cause) {
    throw new NativeLoadError(`Cannot find ${name} from ${file}: ${remedy(name, file)}`, { cause });
  }
  return unpacked(dirname(found));
};

const remedy = (name: string, file: string): string =>
  /[\\/]packages[\\/]native[\\/](src|dist)[\\/]/.test(file)
    ? "run 'npm run build' in the repository"
    : /[\\/]node_modules[\\/]/.test(file)
      ? `it is an optional dependency, which the package manager leaves out with --omit=optional, --no-optional, or a lock file or node_modules of another machine: install again without these, or run 'npm install ${name}'`
      : `this is a bundle, and the addon and the executables cannot be in it: install ${name} where the bundle can resolve it, or leave @rsyscall/* out of the bundle (esbuild: --external:@rsyscall/*), or copy the package's directory "build" and set ${VARIABLE} to it`;

/** Electron reads files inside app.asar, but the kernel can neither map nor execute them. */
const unpacked = (directory: string): string => {
  if (!/\.asar[\\/]/.test(directory)) return directory;
  const outside = directory.replace(/\.asar([\\/])/, ".asar.unpacked$1");
  if (existsSync(join(outside, "rsyscall.node"))) return outside;
  throw new NativeLoadError(
    `${directory} is inside an asar archive, which the kernel cannot execute: have these files unpacked (electron-builder: "asarUnpack": ["**/node_modules/@rsyscall/native-*/**"])`,
  );
};

/**
 * Loads the addon of a directory, and checks that its executables can be executed.
 *
 * @throws NativeLoadError with the remedy for what dlopen(3) or access(2) has said
 */
export const loadFrom = (directory: string): unknown => {
  const path = join(directory, "rsyscall.node");
  let addon: unknown;
  try {
    addon = requireHere(path);
  } catch (cause) {
    const [message = ""] = (cause as Error).message.split("\n");
    throw new NativeLoadError(`Cannot load ${path}: ${message}: ${loadRemedy(message)}`, { cause });
  }
  for (const executable of ["rsyscall-unix-stub", "rsyscall-task"]) {
    const problem = executionProblem(join(directory, executable));
    if (problem !== undefined) throw new NativeLoadError(problem);
  }
  return addon;
};

/** What to do about a failure of dlopen(3), by its message. */
const loadRemedy = (message: string): string => {
  if (/failed to map segment|Operation not permitted/.test(message))
    return `its file system is mounted noexec: install on another, or copy the directory there and set ${VARIABLE} to it`;
  if (
    /wrong ELF class|cannot open shared object|invalid ELF header|file too short|Exec format error|exec format/i.test(
      message,
    )
  )
    return "the file is damaged, or of another machine: remove node_modules and install again, on this machine";
  if (/undefined symbol|symbol not found|Error relocating/.test(message))
    return "this runtime lacks functions of Node or of the C library (glibc 2.17 or newer, or musl): run this program with Node 20.19 or newer";
  return "remove node_modules and install again";
};

/**
 * Why the kernel will not execute a file, and what to do; undefined if it will. access(2) with X_OK refuses a file
 * without the permission, and one on a file system that is mounted noexec.
 */
const executionProblem = (path: string): string | undefined => {
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES")
      return `Cannot use ${path} (${code}): reinstall @rsyscall/native-${process.platform}-${process.arch}, or run 'npm run build' in the repository`;
    const permission = (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o111;
    return permission === 0
      ? `${path} is not executable (the permission was lost when it was packed or copied): run 'chmod +x ${path}'`
      : `${path} may not be executed: its file system is mounted noexec, or a directory above it is closed to this user: install on another, or copy the directory there and set ${VARIABLE} to it`;
  }
};
