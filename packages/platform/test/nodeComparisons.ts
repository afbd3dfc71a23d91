import {
  chmodSync,
  constants,
  lstatSync,
  mkdirSync,
  promises,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { Effect, type FileSystem, type PlatformError, type Scope } from "effect";

/** All that is below a directory, by Node's own means. */
export const tree = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        const path = `${directory}/${name}`;
        const status = lstatSync(path);
        const mode = (status.mode & 0o7777).toString(8);
        if (status.isSymbolicLink())
          return [name, `-> ${readlinkSync(path).replace(directory, "HERE")}`];
        return [name, status.isFile() ? `${mode} ${readFileSync(path, "latin1")}` : mode];
      }),
  );

/** Something of everything. */
export const populate = (directory: string): void => {
  mkdirSync(`${directory}/d/e`, { recursive: true });
  writeFileSync(`${directory}/file`, "content", { mode: 0o640 });
  writeFileSync(`${directory}/.hidden`, "");
  writeFileSync(`${directory}/d/inner`, "inner");
  writeFileSync(`${directory}/d/e/deep`, "deep");
  chmodSync(`${directory}/d/inner`, 0o751);
  chmodSync(`${directory}/d/e/deep`, 0o4751);
  chmodSync(`${directory}/d/e`, 0o750);
  symlinkSync("file", `${directory}/link`);
  symlinkSync("d", `${directory}/dlink`);
  symlinkSync("nowhere", `${directory}/broken`);
  symlinkSync("loop", `${directory}/loop`);
};

/** Effect's name for an error of Node's. */
export const nodeTag = (code: string | undefined): string =>
  ({
    ENOENT: "NotFound",
    EACCES: "PermissionDenied",
    EPERM: "PermissionDenied",
    EEXIST: "AlreadyExists",
    EISDIR: "BadResource",
    ENOTDIR: "BadResource",
    ELOOP: "BadResource",
    EBUSY: "Busy",
    ERR_OUT_OF_RANGE: "BadArgument",
    ERR_INVALID_ARG_VALUE: "BadArgument",
    ERR_INVALID_ARG_TYPE: "BadArgument",
    // Of Node's own making; by the errno.
    ERR_FS_EISDIR: "BadResource",
    ERR_FS_CP_DIR_TO_NON_DIR: "BadResource",
    ERR_FS_CP_NON_DIR_TO_DIR: "BadResource",
  })[code ?? ""] ?? "Unknown";

/** The same by Effect's interface and by Node's: what they give is compared, and what they have done. */
export interface Comparison {
  readonly name: string;
  readonly ours: (
    fs: FileSystem.FileSystem,
    at: string,
  ) => Effect.Effect<unknown, PlatformError.PlatformError, Scope.Scope>;
  readonly node: (at: string) => Promise<unknown>;
}

const compare = (name: string, ours: Comparison["ours"], node: Comparison["node"]): Comparison => ({
  name,
  ours,
  node,
});

/** Nothing, as Node says it and as Effect does. */
const nothing = async (promise: Promise<unknown>) => void (await promise);

const cp = (from: string, to: string, force = false, preserveTimestamps = false) =>
  nothing(promises.cp(from, to, { force, preserveTimestamps, recursive: true }));

/** What there is to compare, each in a directory of its own: see `populate`. */
export const comparisons: ReadonlyArray<Comparison> = [
  // access
  compare(
    "access",
    (fs, at) => fs.access(`${at}/file`),
    (at) => nothing(promises.access(`${at}/file`)),
  ),
  compare(
    "access to write a directory",
    (fs, at) => fs.access(at, { readable: true, writable: true }),
    (at) => nothing(promises.access(at, constants.R_OK | constants.W_OK)),
  ),
  compare(
    "access nothing",
    (fs, at) => fs.access(`${at}/no`),
    (at) => promises.access(`${at}/no`),
  ),
  compare(
    "access below a file",
    (fs, at) => fs.access(`${at}/file/x`),
    (at) => promises.access(`${at}/file/x`),
  ),
  compare(
    "access a loop",
    (fs, at) => fs.access(`${at}/loop`),
    (at) => promises.access(`${at}/loop`),
  ),
  compare(
    "access a broken link",
    (fs, at) => fs.access(`${at}/broken`),
    (at) => promises.access(`${at}/broken`),
  ),
  // read and write
  compare(
    "readFile",
    (fs, at) => fs.readFileString(`${at}/link`),
    (at) => promises.readFile(`${at}/link`, "utf8"),
  ),
  compare(
    "readFile of a directory",
    (fs, at) => fs.readFile(`${at}/d`),
    (at) => promises.readFile(`${at}/d`),
  ),
  compare(
    "readFile of nothing",
    (fs, at) => fs.readFile(`${at}/no`),
    (at) => promises.readFile(`${at}/no`),
  ),
  compare(
    "readFile of an empty path",
    (fs) => fs.readFile(""),
    () => promises.readFile(""),
  ),
  compare(
    "readFile of the kernel's",
    (fs) => fs.readFileString("/proc/sys/kernel/ostype"),
    () => promises.readFile("/proc/sys/kernel/ostype", "utf8"),
  ),
  compare(
    "writeFile",
    (fs, at) => fs.writeFileString(`${at}/new`, "ü"),
    (at) => promises.writeFile(`${at}/new`, "ü"),
  ),
  compare(
    "writeFile with a mode",
    (fs, at) => fs.writeFileString(`${at}/new`, "x", { mode: 0o755 }),
    (at) => promises.writeFile(`${at}/new`, "x", { mode: 0o755 }),
  ),
  compare(
    "writeFile over another",
    (fs, at) => fs.writeFileString(`${at}/file`, "x"),
    (at) => promises.writeFile(`${at}/file`, "x"),
  ),
  compare(
    "writeFile by appending",
    (fs, at) => fs.writeFileString(`${at}/file`, "x", { flag: "a" }),
    (at) => promises.writeFile(`${at}/file`, "x", { flag: "a" }),
  ),
  compare(
    "writeFile that must be new",
    (fs, at) => fs.writeFileString(`${at}/file`, "x", { flag: "wx" }),
    (at) => promises.writeFile(`${at}/file`, "x", { flag: "wx" }),
  ),
  compare(
    "writeFile into a file",
    (fs, at) => fs.writeFileString(`${at}/file`, "XY", { flag: "r+" }),
    (at) => promises.writeFile(`${at}/file`, "XY", { flag: "r+" }),
  ),
  compare(
    "writeFile of nothing",
    (fs, at) => fs.writeFileString(`${at}/file`, ""),
    (at) => promises.writeFile(`${at}/file`, ""),
  ),
  compare(
    "writeFile of nothing into a file",
    (fs, at) => fs.writeFileString(`${at}/file`, "", { flag: "r+" }),
    (at) => promises.writeFile(`${at}/file`, "", { flag: "r+" }),
  ),
  compare(
    "writeFile for reading",
    (fs, at) => fs.writeFileString(`${at}/file`, "x", { flag: "r" }),
    (at) => promises.writeFile(`${at}/file`, "x", { flag: "r" }),
  ),
  compare(
    "writeFile to a directory",
    (fs, at) => fs.writeFileString(`${at}/d`, "x"),
    (at) => promises.writeFile(`${at}/d`, "x"),
  ),
  compare(
    "writeFile through a broken link",
    (fs, at) => fs.writeFileString(`${at}/broken`, "x"),
    (at) => promises.writeFile(`${at}/broken`, "x"),
  ),
  // modes and owners
  compare(
    "chmod",
    (fs, at) => fs.chmod(`${at}/link`, 0o4711),
    (at) => nothing(promises.chmod(`${at}/link`, 0o4711)),
  ),
  compare(
    "chmod of nothing",
    (fs, at) => fs.chmod(`${at}/no`, 0o700),
    (at) => promises.chmod(`${at}/no`, 0o700),
  ),
  compare(
    "chmod to no mode",
    (fs, at) => fs.chmod(`${at}/file`, -1),
    (at) => promises.chmod(`${at}/file`, -1),
  ),
  compare(
    "chmod to a fraction",
    (fs, at) => fs.chmod(`${at}/file`, 0.5),
    (at) => promises.chmod(`${at}/file`, 0.5),
  ),
  compare(
    "chown to no id",
    (fs, at) => fs.chown(`${at}/file`, 1.5, 0),
    (at) => promises.chown(`${at}/file`, 1.5, 0),
  ),
  compare(
    "chown to an id too large",
    (fs, at) => fs.chown(`${at}/file`, 0, 2 ** 32),
    (at) => promises.chown(`${at}/file`, 0, 2 ** 32),
  ),
  compare(
    "chown of nothing",
    (fs, at) => fs.chown(`${at}/no`, 0, 0),
    (at) => promises.chown(`${at}/no`, 0, 0),
  ),
  // links
  compare(
    "link",
    (fs, at) => fs.link(`${at}/file`, `${at}/second`),
    (at) => promises.link(`${at}/file`, `${at}/second`),
  ),
  compare(
    "link to a directory",
    (fs, at) => fs.link(`${at}/d`, `${at}/second`),
    (at) => promises.link(`${at}/d`, `${at}/second`),
  ),
  compare(
    "link over a file",
    (fs, at) => fs.link(`${at}/file`, `${at}/.hidden`),
    (at) => promises.link(`${at}/file`, `${at}/.hidden`),
  ),
  compare(
    "symlink",
    (fs, at) => fs.symlink("any thing", `${at}/l`),
    (at) => promises.symlink("any thing", `${at}/l`),
  ),
  compare(
    "symlink over a file",
    (fs, at) => fs.symlink("x", `${at}/file`),
    (at) => promises.symlink("x", `${at}/file`),
  ),
  compare(
    "readLink",
    (fs, at) => fs.readLink(`${at}/broken`),
    (at) => promises.readlink(`${at}/broken`),
  ),
  compare(
    "readLink of a file",
    (fs, at) => fs.readLink(`${at}/file`),
    (at) => promises.readlink(`${at}/file`),
  ),
  compare(
    "realPath",
    (fs, at) =>
      Effect.map(fs.realPath(`${at}//./dlink/e/../../link`), (path) => path.replace(at, "")),
    async (at) => (await promises.realpath(`${at}//./dlink/e/../../link`)).replace(at, ""),
  ),
  compare(
    "realPath of a loop",
    (fs, at) => fs.realPath(`${at}/loop`),
    (at) => promises.realpath(`${at}/loop`),
  ),
  compare(
    "realPath of nothing",
    (fs, at) => fs.realPath(`${at}/d/no`),
    (at) => promises.realpath(`${at}/d/no`),
  ),
  compare(
    "realPath of a broken link",
    (fs, at) => fs.realPath(`${at}/broken`),
    (at) => promises.realpath(`${at}/broken`),
  ),
  compare(
    "realPath below a file",
    (fs, at) => fs.realPath(`${at}/file/x`),
    (at) => promises.realpath(`${at}/file/x`),
  ),
  compare(
    "realPath of the root",
    (fs) => fs.realPath("/"),
    () => promises.realpath("/"),
  ),
  compare(
    "realPath of a directory",
    (fs) => fs.realPath("."),
    () => promises.realpath("."),
  ),
  // directories
  compare(
    "makeDirectory",
    (fs, at) => fs.makeDirectory(`${at}/new`, { mode: 0o701 }),
    (at) => nothing(promises.mkdir(`${at}/new`, { mode: 0o701 })),
  ),
  compare(
    "makeDirectory again",
    (fs, at) => fs.makeDirectory(`${at}/d`),
    (at) => promises.mkdir(`${at}/d`),
  ),
  compare(
    "makeDirectory below nothing",
    (fs, at) => fs.makeDirectory(`${at}/a/b`),
    (at) => promises.mkdir(`${at}/a/b`),
  ),
  compare(
    "makeDirectory with no mode",
    (fs, at) => fs.makeDirectory(`${at}/a`, { mode: 1.5 }),
    (at) => promises.mkdir(`${at}/a`, { mode: 1.5 }),
  ),
  compare(
    "makeDirectory, recursive",
    (fs, at) => Effect.asVoid(fs.makeDirectory(`${at}/a/b/c/`, { recursive: true, mode: 0o750 })),
    (at) => nothing(promises.mkdir(`${at}/a/b/c/`, { recursive: true, mode: 0o750 })),
  ),
  compare(
    "makeDirectory, recursive, again",
    (fs, at) => fs.makeDirectory(`${at}/dlink`, { recursive: true }),
    (at) => nothing(promises.mkdir(`${at}/dlink`, { recursive: true })),
  ),
  compare(
    "makeDirectory, recursive, on a file",
    (fs, at) => fs.makeDirectory(`${at}/file`, { recursive: true }),
    (at) => promises.mkdir(`${at}/file`, { recursive: true }),
  ),
  compare(
    "makeDirectory, recursive, below a file",
    (fs, at) => fs.makeDirectory(`${at}/file/a/b`, { recursive: true }),
    (at) => promises.mkdir(`${at}/file/a/b`, { recursive: true }),
  ),
  compare(
    "makeDirectory, recursive, of no path",
    (fs) => fs.makeDirectory("", { recursive: true }),
    () => promises.mkdir("", { recursive: true }),
  ),
  compare(
    "readDirectory",
    (fs, at) => fs.readDirectory(at),
    (at) => promises.readdir(at),
  ),
  compare(
    "readDirectory by a link",
    (fs, at) => fs.readDirectory(`${at}/dlink`),
    (at) => promises.readdir(`${at}/dlink`),
  ),
  compare(
    "readDirectory, recursive",
    (fs, at) => Effect.map(fs.readDirectory(at, { recursive: true }), (names) => names.sort()),
    async (at) =>
      // It would follow links to directories, in circles too.
      (await promises.readdir(at, { recursive: true }))
        .filter((name) => !name.startsWith("dlink/"))
        .sort(),
  ),
  compare(
    "readDirectory of a file",
    (fs, at) => fs.readDirectory(`${at}/file`),
    (at) => promises.readdir(`${at}/file`),
  ),
  compare(
    "readDirectory of nothing",
    (fs, at) => fs.readDirectory(`${at}/no`),
    (at) => promises.readdir(`${at}/no`),
  ),
  compare(
    "readDirectory of no path",
    (fs) => fs.readDirectory("", { recursive: true }),
    () => promises.readdir("", { recursive: true }),
  ),
  // names
  compare(
    "rename",
    (fs, at) => fs.rename(`${at}/file`, `${at}/d/inner`),
    (at) => promises.rename(`${at}/file`, `${at}/d/inner`),
  ),
  compare(
    "rename of nothing",
    (fs, at) => fs.rename(`${at}/no`, `${at}/x`),
    (at) => promises.rename(`${at}/no`, `${at}/x`),
  ),
  compare(
    "rename of a directory over a file",
    (fs, at) => fs.rename(`${at}/d`, `${at}/file`),
    (at) => promises.rename(`${at}/d`, `${at}/file`),
  ),
  compare(
    "remove",
    (fs, at) => fs.remove(`${at}/file`),
    (at) => promises.rm(`${at}/file`),
  ),
  compare(
    "remove of a link",
    (fs, at) => fs.remove(`${at}/dlink`, { recursive: true }),
    (at) => promises.rm(`${at}/dlink`, { recursive: true }),
  ),
  compare(
    "remove of nothing",
    (fs, at) => fs.remove(`${at}/no`),
    (at) => promises.rm(`${at}/no`),
  ),
  compare(
    "remove of nothing, recursive",
    (fs, at) => fs.remove(`${at}/no`, { recursive: true }),
    (at) => promises.rm(`${at}/no`, { recursive: true }),
  ),
  compare(
    "remove of nothing, by force",
    (fs, at) => fs.remove(`${at}/no`, { force: true }),
    (at) => promises.rm(`${at}/no`, { force: true }),
  ),
  compare(
    "remove of a directory",
    (fs, at) => fs.remove(`${at}/d`),
    (at) => promises.rm(`${at}/d`),
  ),
  compare(
    "remove of a directory, by force",
    (fs, at) => fs.remove(`${at}/d`, { force: true }),
    (at) => promises.rm(`${at}/d`, { force: true }),
  ),
  compare(
    "remove, recursive",
    (fs, at) => fs.remove(`${at}/d`, { recursive: true, force: true }),
    (at) => promises.rm(`${at}/d`, { recursive: true, force: true }),
  ),
  // sizes and times
  compare(
    "truncate",
    (fs, at) => fs.truncate(`${at}/file`),
    (at) => promises.truncate(`${at}/file`),
  ),
  compare(
    "truncate to a length",
    (fs, at) => fs.truncate(`${at}/file`, 3),
    (at) => promises.truncate(`${at}/file`, 3),
  ),
  compare(
    "truncate to more",
    (fs, at) => fs.truncate(`${at}/file`, 9),
    (at) => promises.truncate(`${at}/file`, 9),
  ),
  compare(
    "truncate of nothing",
    (fs, at) => fs.truncate(`${at}/no`, 9),
    (at) => promises.truncate(`${at}/no`, 9),
  ),
  compare(
    "truncate of a directory",
    (fs, at) => fs.truncate(`${at}/d`),
    (at) => promises.truncate(`${at}/d`),
  ),
  compare(
    "truncate to a fraction",
    (fs, at) => fs.truncate(`${at}/file`, 1.5),
    (at) => promises.truncate(`${at}/file`, 1.5),
  ),
  compare(
    "utimes of nothing",
    (fs, at) => fs.utimes(`${at}/no`, 0, 0),
    (at) => promises.utimes(`${at}/no`, 0, 0),
  ),
  compare(
    "utimes that are none",
    (fs, at) => fs.utimes(`${at}/file`, Number.NaN, 0),
    (at) => promises.utimes(`${at}/file`, Number.NaN, 0),
  ),
  // copies
  compare(
    "copyFile",
    (fs, at) => fs.copyFile(`${at}/d/inner`, `${at}/copy`),
    (at) => promises.copyFile(`${at}/d/inner`, `${at}/copy`),
  ),
  compare(
    "copyFile over another",
    (fs, at) => fs.copyFile(`${at}/d/inner`, `${at}/file`),
    (at) => promises.copyFile(`${at}/d/inner`, `${at}/file`),
  ),
  compare(
    "copyFile of an empty file",
    (fs, at) => fs.copyFile(`${at}/.hidden`, `${at}/file`),
    (at) => promises.copyFile(`${at}/.hidden`, `${at}/file`),
  ),
  compare(
    "copyFile by a link to itself",
    (fs, at) => fs.copyFile(`${at}/file`, `${at}/link`),
    (at) => promises.copyFile(`${at}/file`, `${at}/link`),
  ),
  compare(
    "copyFile of a directory",
    (fs, at) => fs.copyFile(`${at}/d`, `${at}/copy`),
    (at) => promises.copyFile(`${at}/d`, `${at}/copy`),
  ),
  compare(
    "copyFile to a directory",
    (fs, at) => fs.copyFile(`${at}/file`, `${at}/d`),
    (at) => promises.copyFile(`${at}/file`, `${at}/d`),
  ),
  compare(
    "copyFile of nothing",
    (fs, at) => fs.copyFile(`${at}/no`, `${at}/copy`),
    (at) => promises.copyFile(`${at}/no`, `${at}/copy`),
  ),
  compare(
    "copy of a file",
    (fs, at) => fs.copy(`${at}/file`, `${at}/a/b/copy`),
    (at) => cp(`${at}/file`, `${at}/a/b/copy`),
  ),
  compare(
    "copy of a file onto another",
    (fs, at) => fs.copy(`${at}/file`, `${at}/d/inner`),
    (at) => cp(`${at}/file`, `${at}/d/inner`),
  ),
  compare(
    "copy of a file onto another, which is not to be overwritten",
    (fs, at) => fs.copy(`${at}/file`, `${at}/d/inner`, { overwrite: false }),
    (at) => cp(`${at}/file`, `${at}/d/inner`, false),
  ),
  compare(
    "copy of a file over another",
    (fs, at) => fs.copy(`${at}/file`, `${at}/d/inner`, { overwrite: true }),
    (at) => cp(`${at}/file`, `${at}/d/inner`, true),
  ),
  compare(
    "copy of a file over a link",
    (fs, at) => fs.copy(`${at}/d/inner`, `${at}/link`, { overwrite: true }),
    (at) => cp(`${at}/d/inner`, `${at}/link`, true),
  ),
  compare(
    "copy of a link",
    (fs, at) => fs.copy(`${at}/link`, `${at}/copy`),
    (at) => cp(`${at}/link`, `${at}/copy`),
  ),
  compare(
    "copy of a directory",
    (fs, at) => fs.copy(`${at}/d`, `${at}/copy`),
    (at) => cp(`${at}/d`, `${at}/copy`),
  ),
  compare(
    "copy into a directory",
    (fs, at) =>
      fs
        .copy(`${at}/d`, `${at}/d2`)
        .pipe(
          Effect.andThen(fs.writeFileString(`${at}/d2/inner`, "changed")),
          Effect.andThen(fs.remove(`${at}/d2/e/deep`)),
          Effect.andThen(fs.copy(`${at}/d`, `${at}/d2`)),
        ),
    async (at) => {
      await cp(`${at}/d`, `${at}/d2`);
      await promises.writeFile(`${at}/d2/inner`, "changed");
      await promises.rm(`${at}/d2/e/deep`);
      await cp(`${at}/d`, `${at}/d2`);
    },
  ),
  compare(
    "copy of nothing",
    (fs, at) => fs.copy(`${at}/no`, `${at}/copy`),
    (at) => cp(`${at}/no`, `${at}/copy`),
  ),
  compare(
    "copy of a file over a directory",
    (fs, at) => fs.copy(`${at}/file`, `${at}/d`),
    (at) => cp(`${at}/file`, `${at}/d`),
  ),
  compare(
    "copy of a directory over a file",
    (fs, at) => fs.copy(`${at}/d`, `${at}/file`),
    (at) => cp(`${at}/d`, `${at}/file`),
  ),
  compare(
    "copy into itself",
    (fs, at) => fs.copy(`${at}/d`, `${at}/dlink/e/x`),
    (at) => cp(`${at}/d`, `${at}/dlink/e/x`),
  ),
  compare(
    "copy right into itself",
    (fs, at) => fs.copy(`${at}/d`, `${at}/d/x`),
    (at) => cp(`${at}/d`, `${at}/d/x`),
  ),
  compare(
    "copy over itself",
    (fs, at) => fs.copy(`${at}/d`, `${at}/d`),
    (at) => cp(`${at}/d`, `${at}/d`),
  ),
  // what the kernel would misread
  compare(
    "a path with a NUL",
    (fs, at) => fs.readFile(`${at}/file\0x`),
    (at) => promises.readFile(`${at}/file\0x`),
  ),
  compare(
    "a second path with a NUL",
    (fs, at) => fs.rename(`${at}/file`, `${at}/a\0x`),
    (at) => promises.rename(`${at}/file`, `${at}/a\0x`),
  ),
];
