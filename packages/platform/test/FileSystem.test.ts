import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  promises,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { chdir, setresgid, setresuid, symlink, utimens } from "@rsyscall/handle";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import {
  type ByteSize,
  Deferred,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Option,
  PlatformError,
  Queue,
  Scope,
  Stream,
} from "effect";
import { assert, describe } from "vitest";
import { execute, it, launchStub, notRoot, tempDirectory } from "../../../tests/harness/index.ts";
import { ThreadFileSystem } from "../src/index.ts";
import { places } from "./places.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The reason for which an effect fails. */
const reasonOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason);

const tagOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(reasonOf(effect), ({ _tag }) => _tag as string);

/** All that is below a directory, by Node's own means. */
const tree = (directory: string): Record<string, string> =>
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
const populate = (directory: string): void => {
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
const nodeTag = (code: string | undefined): string =>
  ({
    ENOENT: "NotFound",
    EACCES: "PermissionDenied",
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

type Fs = FileSystem.FileSystem;

/** The same by Effect's interface and by Node's: what they give is compared, and what they have done. */
interface Same {
  readonly name: string;
  readonly ours: (
    fs: Fs,
    at: string,
  ) => Effect.Effect<unknown, PlatformError.PlatformError, Scope.Scope>;
  readonly node: (at: string) => Promise<unknown>;
}

const same = (name: string, ours: Same["ours"], node: Same["node"]): Same => ({ name, ours, node });

/** Nothing, as Node says it and as Effect does. */
const nothing = async (promise: Promise<unknown>) => void (await promise);

const cp = (from: string, to: string, force = false, preserveTimestamps = false) =>
  nothing(promises.cp(from, to, { force, preserveTimestamps, recursive: true }));

const sames: ReadonlyArray<Same> = [
  // access
  same(
    "access",
    (fs, at) => fs.access(`${at}/file`),
    (at) => nothing(promises.access(`${at}/file`)),
  ),
  same(
    "access nothing",
    (fs, at) => fs.access(`${at}/no`),
    (at) => promises.access(`${at}/no`),
  ),
  same(
    "access below a file",
    (fs, at) => fs.access(`${at}/file/x`),
    (at) => promises.access(`${at}/file/x`),
  ),
  same(
    "access a loop",
    (fs, at) => fs.access(`${at}/loop`),
    (at) => promises.access(`${at}/loop`),
  ),
  same(
    "access a broken link",
    (fs, at) => fs.access(`${at}/broken`),
    (at) => promises.access(`${at}/broken`),
  ),
  // read and write
  same(
    "readFile",
    (fs, at) => fs.readFileString(`${at}/link`),
    (at) => promises.readFile(`${at}/link`, "utf8"),
  ),
  same(
    "readFile of a directory",
    (fs, at) => fs.readFile(`${at}/d`),
    (at) => promises.readFile(`${at}/d`),
  ),
  same(
    "readFile of nothing",
    (fs, at) => fs.readFile(`${at}/no`),
    (at) => promises.readFile(`${at}/no`),
  ),
  same(
    "readFile of an empty path",
    (fs) => fs.readFile(""),
    () => promises.readFile(""),
  ),
  same(
    "readFile of the kernel's",
    (fs) => fs.readFileString("/proc/sys/kernel/ostype"),
    () => promises.readFile("/proc/sys/kernel/ostype", "utf8"),
  ),
  same(
    "writeFile",
    (fs, at) => fs.writeFileString(`${at}/new`, "ü"),
    (at) => promises.writeFile(`${at}/new`, "ü"),
  ),
  same(
    "writeFile with a mode",
    (fs, at) => fs.writeFileString(`${at}/new`, "x", { mode: 0o755 }),
    (at) => promises.writeFile(`${at}/new`, "x", { mode: 0o755 }),
  ),
  same(
    "writeFile over another",
    (fs, at) => fs.writeFileString(`${at}/file`, "x"),
    (at) => promises.writeFile(`${at}/file`, "x"),
  ),
  same(
    "writeFile by appending",
    (fs, at) => fs.writeFileString(`${at}/file`, "x", { flag: "a" }),
    (at) => promises.writeFile(`${at}/file`, "x", { flag: "a" }),
  ),
  same(
    "writeFile that must be new",
    (fs, at) => fs.writeFileString(`${at}/file`, "x", { flag: "wx" }),
    (at) => promises.writeFile(`${at}/file`, "x", { flag: "wx" }),
  ),
  same(
    "writeFile into a file",
    (fs, at) => fs.writeFileString(`${at}/file`, "XY", { flag: "r+" }),
    (at) => promises.writeFile(`${at}/file`, "XY", { flag: "r+" }),
  ),
  same(
    "writeFile for reading",
    (fs, at) => fs.writeFileString(`${at}/file`, "x", { flag: "r" }),
    (at) => promises.writeFile(`${at}/file`, "x", { flag: "r" }),
  ),
  same(
    "writeFile to a directory",
    (fs, at) => fs.writeFileString(`${at}/d`, "x"),
    (at) => promises.writeFile(`${at}/d`, "x"),
  ),
  same(
    "writeFile through a broken link",
    (fs, at) => fs.writeFileString(`${at}/broken`, "x"),
    (at) => promises.writeFile(`${at}/broken`, "x"),
  ),
  // modes and owners
  same(
    "chmod",
    (fs, at) => fs.chmod(`${at}/link`, 0o4711),
    (at) => nothing(promises.chmod(`${at}/link`, 0o4711)),
  ),
  same(
    "chmod of nothing",
    (fs, at) => fs.chmod(`${at}/no`, 0o700),
    (at) => promises.chmod(`${at}/no`, 0o700),
  ),
  same(
    "chmod to no mode",
    (fs, at) => fs.chmod(`${at}/file`, -1),
    (at) => promises.chmod(`${at}/file`, -1),
  ),
  same(
    "chmod to a fraction",
    (fs, at) => fs.chmod(`${at}/file`, 0.5),
    (at) => promises.chmod(`${at}/file`, 0.5),
  ),
  same(
    "chown to no id",
    (fs, at) => fs.chown(`${at}/file`, 1.5, 0),
    (at) => promises.chown(`${at}/file`, 1.5, 0),
  ),
  same(
    "chown to an id too large",
    (fs, at) => fs.chown(`${at}/file`, 0, 2 ** 32),
    (at) => promises.chown(`${at}/file`, 0, 2 ** 32),
  ),
  same(
    "chown of nothing",
    (fs, at) => fs.chown(`${at}/no`, 0, 0),
    (at) => promises.chown(`${at}/no`, 0, 0),
  ),
  // links
  same(
    "link",
    (fs, at) => fs.link(`${at}/file`, `${at}/second`),
    (at) => promises.link(`${at}/file`, `${at}/second`),
  ),
  same(
    "link to a directory",
    (fs, at) => fs.link(`${at}/d`, `${at}/second`),
    (at) => promises.link(`${at}/d`, `${at}/second`),
  ),
  same(
    "link over a file",
    (fs, at) => fs.link(`${at}/file`, `${at}/.hidden`),
    (at) => promises.link(`${at}/file`, `${at}/.hidden`),
  ),
  same(
    "symlink",
    (fs, at) => fs.symlink("any thing", `${at}/l`),
    (at) => promises.symlink("any thing", `${at}/l`),
  ),
  same(
    "symlink over a file",
    (fs, at) => fs.symlink("x", `${at}/file`),
    (at) => promises.symlink("x", `${at}/file`),
  ),
  same(
    "readLink",
    (fs, at) => fs.readLink(`${at}/broken`),
    (at) => promises.readlink(`${at}/broken`),
  ),
  same(
    "readLink of a file",
    (fs, at) => fs.readLink(`${at}/file`),
    (at) => promises.readlink(`${at}/file`),
  ),
  same(
    "realPath",
    (fs, at) =>
      Effect.map(fs.realPath(`${at}//./dlink/e/../../link`), (path) => path.replace(at, "")),
    async (at) => (await promises.realpath(`${at}//./dlink/e/../../link`)).replace(at, ""),
  ),
  same(
    "realPath of a loop",
    (fs, at) => fs.realPath(`${at}/loop`),
    (at) => promises.realpath(`${at}/loop`),
  ),
  same(
    "realPath of nothing",
    (fs, at) => fs.realPath(`${at}/d/no`),
    (at) => promises.realpath(`${at}/d/no`),
  ),
  same(
    "realPath of a broken link",
    (fs, at) => fs.realPath(`${at}/broken`),
    (at) => promises.realpath(`${at}/broken`),
  ),
  same(
    "realPath below a file",
    (fs, at) => fs.realPath(`${at}/file/x`),
    (at) => promises.realpath(`${at}/file/x`),
  ),
  same(
    "realPath of the root",
    (fs) => fs.realPath("/"),
    () => promises.realpath("/"),
  ),
  same(
    "realPath of a directory",
    (fs) => fs.realPath("."),
    () => promises.realpath("."),
  ),
  // directories
  same(
    "makeDirectory",
    (fs, at) => fs.makeDirectory(`${at}/new`, { mode: 0o701 }),
    (at) => nothing(promises.mkdir(`${at}/new`, { mode: 0o701 })),
  ),
  same(
    "makeDirectory again",
    (fs, at) => fs.makeDirectory(`${at}/d`),
    (at) => promises.mkdir(`${at}/d`),
  ),
  same(
    "makeDirectory below nothing",
    (fs, at) => fs.makeDirectory(`${at}/a/b`),
    (at) => promises.mkdir(`${at}/a/b`),
  ),
  same(
    "makeDirectory with no mode",
    (fs, at) => fs.makeDirectory(`${at}/a`, { mode: 1.5 }),
    (at) => promises.mkdir(`${at}/a`, { mode: 1.5 }),
  ),
  same(
    "makeDirectory, recursive",
    (fs, at) => fs.makeDirectory(`${at}/a/b/c/`, { recursive: true, mode: 0o750 }),
    (at) => nothing(promises.mkdir(`${at}/a/b/c/`, { recursive: true, mode: 0o750 })),
  ),
  same(
    "makeDirectory, recursive, again",
    (fs, at) => fs.makeDirectory(`${at}/dlink`, { recursive: true }),
    (at) => nothing(promises.mkdir(`${at}/dlink`, { recursive: true })),
  ),
  same(
    "makeDirectory, recursive, on a file",
    (fs, at) => fs.makeDirectory(`${at}/file`, { recursive: true }),
    (at) => promises.mkdir(`${at}/file`, { recursive: true }),
  ),
  same(
    "makeDirectory, recursive, below a file",
    (fs, at) => fs.makeDirectory(`${at}/file/a/b`, { recursive: true }),
    (at) => promises.mkdir(`${at}/file/a/b`, { recursive: true }),
  ),
  same(
    "makeDirectory, recursive, of no path",
    (fs) => fs.makeDirectory("", { recursive: true }),
    () => promises.mkdir("", { recursive: true }),
  ),
  same(
    "readDirectory",
    (fs, at) => fs.readDirectory(at),
    (at) => promises.readdir(at),
  ),
  same(
    "readDirectory by a link",
    (fs, at) => fs.readDirectory(`${at}/dlink`),
    (at) => promises.readdir(`${at}/dlink`),
  ),
  same(
    "readDirectory, recursive",
    (fs, at) => Effect.map(fs.readDirectory(at, { recursive: true }), (names) => names.sort()),
    async (at) =>
      // It would follow links to directories, in circles too.
      (await promises.readdir(at, { recursive: true }))
        .filter((name) => !name.startsWith("dlink/"))
        .sort(),
  ),
  same(
    "readDirectory of a file",
    (fs, at) => fs.readDirectory(`${at}/file`),
    (at) => promises.readdir(`${at}/file`),
  ),
  same(
    "readDirectory of nothing",
    (fs, at) => fs.readDirectory(`${at}/no`),
    (at) => promises.readdir(`${at}/no`),
  ),
  same(
    "readDirectory of no path",
    (fs) => fs.readDirectory("", { recursive: true }),
    () => promises.readdir("", { recursive: true }),
  ),
  // names
  same(
    "rename",
    (fs, at) => fs.rename(`${at}/file`, `${at}/d/inner`),
    (at) => promises.rename(`${at}/file`, `${at}/d/inner`),
  ),
  same(
    "rename of nothing",
    (fs, at) => fs.rename(`${at}/no`, `${at}/x`),
    (at) => promises.rename(`${at}/no`, `${at}/x`),
  ),
  same(
    "rename of a directory over a file",
    (fs, at) => fs.rename(`${at}/d`, `${at}/file`),
    (at) => promises.rename(`${at}/d`, `${at}/file`),
  ),
  same(
    "remove",
    (fs, at) => fs.remove(`${at}/file`),
    (at) => promises.rm(`${at}/file`),
  ),
  same(
    "remove of a link",
    (fs, at) => fs.remove(`${at}/dlink`, { recursive: true }),
    (at) => promises.rm(`${at}/dlink`, { recursive: true }),
  ),
  same(
    "remove of nothing",
    (fs, at) => fs.remove(`${at}/no`),
    (at) => promises.rm(`${at}/no`),
  ),
  same(
    "remove of nothing, recursive",
    (fs, at) => fs.remove(`${at}/no`, { recursive: true }),
    (at) => promises.rm(`${at}/no`, { recursive: true }),
  ),
  same(
    "remove of nothing, by force",
    (fs, at) => fs.remove(`${at}/no`, { force: true }),
    (at) => promises.rm(`${at}/no`, { force: true }),
  ),
  same(
    "remove of a directory",
    (fs, at) => fs.remove(`${at}/d`),
    (at) => promises.rm(`${at}/d`),
  ),
  same(
    "remove of a directory, by force",
    (fs, at) => fs.remove(`${at}/d`, { force: true }),
    (at) => promises.rm(`${at}/d`, { force: true }),
  ),
  same(
    "remove, recursive",
    (fs, at) => fs.remove(`${at}/d`, { recursive: true, force: true }),
    (at) => promises.rm(`${at}/d`, { recursive: true, force: true }),
  ),
  // sizes and times
  same(
    "truncate",
    (fs, at) => fs.truncate(`${at}/file`),
    (at) => promises.truncate(`${at}/file`),
  ),
  same(
    "truncate to a length",
    (fs, at) => fs.truncate(`${at}/file`, 3),
    (at) => promises.truncate(`${at}/file`, 3),
  ),
  same(
    "truncate to more",
    (fs, at) => fs.truncate(`${at}/file`, 9),
    (at) => promises.truncate(`${at}/file`, 9),
  ),
  same(
    "truncate of nothing",
    (fs, at) => fs.truncate(`${at}/no`, 9),
    (at) => promises.truncate(`${at}/no`, 9),
  ),
  same(
    "truncate of a directory",
    (fs, at) => fs.truncate(`${at}/d`),
    (at) => promises.truncate(`${at}/d`),
  ),
  same(
    "truncate to a fraction",
    (fs, at) => fs.truncate(`${at}/file`, 1.5),
    (at) => promises.truncate(`${at}/file`, 1.5),
  ),
  same(
    "utimes of nothing",
    (fs, at) => fs.utimes(`${at}/no`, 0, 0),
    (at) => promises.utimes(`${at}/no`, 0, 0),
  ),
  same(
    "utimes that are none",
    (fs, at) => fs.utimes(`${at}/file`, Number.NaN, 0),
    (at) => promises.utimes(`${at}/file`, Number.NaN, 0),
  ),
  // copies
  same(
    "copyFile",
    (fs, at) => fs.copyFile(`${at}/d/inner`, `${at}/copy`),
    (at) => promises.copyFile(`${at}/d/inner`, `${at}/copy`),
  ),
  same(
    "copyFile over another",
    (fs, at) => fs.copyFile(`${at}/d/inner`, `${at}/file`),
    (at) => promises.copyFile(`${at}/d/inner`, `${at}/file`),
  ),
  same(
    "copyFile of an empty file",
    (fs, at) => fs.copyFile(`${at}/.hidden`, `${at}/file`),
    (at) => promises.copyFile(`${at}/.hidden`, `${at}/file`),
  ),
  same(
    "copyFile by a link to itself",
    (fs, at) => fs.copyFile(`${at}/file`, `${at}/link`),
    (at) => promises.copyFile(`${at}/file`, `${at}/link`),
  ),
  same(
    "copyFile of a directory",
    (fs, at) => fs.copyFile(`${at}/d`, `${at}/copy`),
    (at) => promises.copyFile(`${at}/d`, `${at}/copy`),
  ),
  same(
    "copyFile to a directory",
    (fs, at) => fs.copyFile(`${at}/file`, `${at}/d`),
    (at) => promises.copyFile(`${at}/file`, `${at}/d`),
  ),
  same(
    "copyFile of nothing",
    (fs, at) => fs.copyFile(`${at}/no`, `${at}/copy`),
    (at) => promises.copyFile(`${at}/no`, `${at}/copy`),
  ),
  same(
    "copy of a file",
    (fs, at) => fs.copy(`${at}/file`, `${at}/a/b/copy`),
    (at) => cp(`${at}/file`, `${at}/a/b/copy`),
  ),
  same(
    "copy of a file onto another",
    (fs, at) => fs.copy(`${at}/file`, `${at}/d/inner`),
    (at) => cp(`${at}/file`, `${at}/d/inner`),
  ),
  same(
    "copy of a file over another",
    (fs, at) => fs.copy(`${at}/file`, `${at}/d/inner`, { overwrite: true }),
    (at) => cp(`${at}/file`, `${at}/d/inner`, true),
  ),
  same(
    "copy of a file over a link",
    (fs, at) => fs.copy(`${at}/d/inner`, `${at}/link`, { overwrite: true }),
    (at) => cp(`${at}/d/inner`, `${at}/link`, true),
  ),
  same(
    "copy of a link",
    (fs, at) => fs.copy(`${at}/link`, `${at}/copy`),
    (at) => cp(`${at}/link`, `${at}/copy`),
  ),
  same(
    "copy of a directory",
    (fs, at) => fs.copy(`${at}/d`, `${at}/copy`),
    (at) => cp(`${at}/d`, `${at}/copy`),
  ),
  same(
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
  same(
    "copy of nothing",
    (fs, at) => fs.copy(`${at}/no`, `${at}/copy`),
    (at) => cp(`${at}/no`, `${at}/copy`),
  ),
  same(
    "copy of a file over a directory",
    (fs, at) => fs.copy(`${at}/file`, `${at}/d`),
    (at) => cp(`${at}/file`, `${at}/d`),
  ),
  same(
    "copy of a directory over a file",
    (fs, at) => fs.copy(`${at}/d`, `${at}/file`),
    (at) => cp(`${at}/d`, `${at}/file`),
  ),
  same(
    "copy into itself",
    (fs, at) => fs.copy(`${at}/d`, `${at}/dlink/e/x`),
    (at) => cp(`${at}/d`, `${at}/dlink/e/x`),
  ),
  same(
    "copy right into itself",
    (fs, at) => fs.copy(`${at}/d`, `${at}/d/x`),
    (at) => cp(`${at}/d`, `${at}/d/x`),
  ),
  same(
    "copy over itself",
    (fs, at) => fs.copy(`${at}/d`, `${at}/d`),
    (at) => cp(`${at}/d`, `${at}/d`),
  ),
  // what the kernel would misread
  same(
    "a path with a NUL",
    (fs, at) => fs.readFile(`${at}/file\0x`),
    (at) => promises.readFile(`${at}/file\0x`),
  ),
  same(
    "a second path with a NUL",
    (fs, at) => fs.rename(`${at}/file`, `${at}/a\0x`),
    (at) => promises.rename(`${at}/file`, `${at}/a\0x`),
  ),
];

type Body = (
  fs: Fs,
  at: string,
  thread: Thread,
) => Generator<Effect.Effect<unknown, unknown, Scope.Scope | LocalThread>, void, never>;

const tests: Array<readonly [title: string, body: Body]> = [];

/** A test that is made in all places, in a directory of its own. */
const everywhere = (title: string, body: Body) => tests.push([title, body]);

everywhere("gives and does what Node does", function* (fs) {
  for (const { name, ours, node } of sames) {
    const [here, there] = [yield* tempDirectory, yield* tempDirectory];
    populate(here);
    populate(there);
    const wanted = yield* Effect.promise(() =>
      node(there).catch((error: NodeJS.ErrnoException) => nodeTag(error.code)),
    );
    const done = yield* Effect.scoped(ours(fs, here)).pipe(
      Effect.catch(({ reason }) => Effect.succeed(reason._tag)),
    );
    assert.deepEqual(done, wanted, name);
    assert.deepEqual(tree(here), tree(there), `what is left by ${name}`);
  }
});

everywhere("says of a file what Node says", function* (fs, at) {
  populate(at);
  utimesSync(`${at}/file`, 1_000_000_000.25, 2_000_000_000.5);
  for (const [path, type] of [
    [`${at}/file`, "File"],
    [`${at}/link`, "File"],
    [at, "Directory"],
    ["/dev/null", "CharacterDevice"],
  ] as const) {
    const info = yield* fs.stat(path);
    const node = statSync(path, { bigint: true });
    assert.deepEqual(info, {
      type,
      mtime: Option.some(new Date(Number(node.mtimeMs))),
      atime: Option.some(new Date(Number(node.atimeMs))),
      birthtime: Option.map(info.birthtime, () => new Date(Number(node.birthtimeMs))),
      dev: node.dev,
      ino: Option.some(node.ino),
      mode: Number(node.mode),
      nlink: Option.some(node.nlink),
      // Of the process, which may be in another user namespace.
      uid: info.uid,
      gid: info.gid,
      rdev: Option.some(node.rdev),
      size: node.size as ByteSize.ByteSize,
      blksize: Option.some(node.blksize as ByteSize.ByteSize),
      blocks: Option.some(node.blocks),
    });
  }
  const link = yield* fs.lstat(`${at}/link`);
  assert.deepEqual([link.type, link.size], ["SymbolicLink", 4n]);
  assert.equal(yield* tagOf(fs.stat(`${at}/broken`)), "NotFound");
  assert.equal((yield* fs.lstat(`${at}/broken`)).type, "SymbolicLink");
  assert.equal(yield* tagOf(fs.stat(`${at}/loop`)), "BadResource");
  assert.isTrue(yield* fs.exists(`${at}/file`));
  assert.isFalse(yield* fs.exists(`${at}/broken`));
  assert.equal(yield* tagOf(fs.exists(`${at}/file/x`)), "BadResource");
});

everywhere("has the types of directory entries, and finds by patterns", function* (fs, at) {
  populate(at);
  yield* Effect.promise(() => execute_("mkfifo", `${at}/fifo`));
  const entries = yield* fs.readDirectoryEntries(at);
  assert.deepEqual(Object.fromEntries(entries.map(({ name, type }) => [name, type])), {
    ".hidden": "File",
    broken: "SymbolicLink",
    d: "Directory",
    dlink: "SymbolicLink",
    fifo: "FIFO",
    file: "File",
    link: "SymbolicLink",
    loop: "SymbolicLink",
  });
  assert.deepEqual(yield* fs.glob("**/*e*", { root: at }), [
    "broken",
    "d/e",
    "d/e/deep",
    "d/inner",
    "file",
  ]);
  assert.deepEqual(yield* fs.glob("d*/e/*", { root: at }), ["d/e/deep", "dlink/e/deep"]);
});

everywhere("tells why it failed, and of what", function* (fs, at) {
  const error = yield* Effect.flip(fs.readFile(`${at}/no`));
  assert.isTrue(PlatformError.isPlatformError(error));
  const { reason } = error;
  assert.deepInclude(
    { ...reason },
    {
      _tag: "NotFound",
      module: "FileSystem",
      method: "readFile",
      syscall: "openat",
      pathOrDescriptor: `${at}/no`,
    },
  );
  assert.equal((error.cause as SyscallError).errno, "ENOENT");
  assert.include(error.message, "No such file or directory");
});

everywhere("reads and writes at a cursor", function* (fs, at) {
  const path = `${at}/file`;
  const file = yield* fs.open(path, { flag: "w+" });
  assert.isTrue(FileSystem.isFile(file));
  assert.equal(yield* file.write(encode("lorem ipsum")), 11);
  assert.equal(yield* file.seek(0n, "start"), 0n);
  const buffer = new Uint8Array(5);
  assert.equal(yield* file.read(buffer), 5);
  assert.equal(decode(buffer), "lorem");
  assert.equal(yield* file.seek(1n, "current"), 6n);
  assert.equal(yield* file.read(buffer), 5);
  assert.equal(decode(buffer), "ipsum");
  assert.equal(yield* file.read(buffer), 0);
  assert.deepEqual(yield* file.readAlloc(5), Option.none());
  assert.equal(yield* file.seek(-5n, "current"), 6n);
  yield* file.writeAll(encode("dolor sit"));
  assert.equal(readFileSync(path, "latin1"), "lorem dolor sit");
  // In the middle, past the end, and without moving the cursor.
  const part = yield* file.readAlloc(5, { position: 6n });
  assert.equal(decode(Option.getOrThrow(part)), "dolor");
  assert.equal(yield* file.read(buffer, { position: 12n }), 3);
  assert.equal(yield* file.read(buffer, { position: 100n }), 0);
  assert.equal(yield* file.seek(0n, "current"), 15n);
  assert.equal(yield* file.seek(17n, "start"), 17n);
  yield* file.writeAll(encode("!"));
  assert.equal(readFileSync(path, "latin1"), "lorem dolor sit\0\0!");
  assert.equal((yield* file.stat).size, 18n);
  yield* file.sync;
  assert.equal(yield* file.read(new Uint8Array(0)), 0);
  assert.equal(yield* file.write(new Uint8Array(0)), 0);
});

everywhere("refuses what is no offset or length", function* (fs, at) {
  writeFileSync(`${at}/file`, "content");
  const file = yield* fs.open(`${at}/file`, { flag: "r+" });
  yield* file.seek(3n, "start");
  const huge = 2n ** 64n;
  for (const wrong of [
    file.seek(-1n, "start"),
    file.seek(-4n, "current"),
    file.seek(huge, "start"),
    file.readAlloc(5, { position: -1n }),
    file.readAlloc(5, { position: huge }),
    file.readAlloc(-1),
    file.readAlloc(Number.NaN),
    file.readAlloc(1.5),
    file.read(new Uint8Array(1), { position: huge }),
    file.truncate(-1),
    file.truncate(1.5),
    fs.truncate(`${at}/file`, -1),
    fs.open(`${at}/file`, { flag: "rw" as "r" }),
    fs.open(`${at}/file`, { flag: "toString" as "r" }),
    fs.open(`${at}/file`, { mode: -1 }),
    fs.open(undefined as unknown as string),
    fs.writeFile(`${at}/file`, new Uint8Array(1), { flag: "" as "w" }),
  ])
    assert.equal(yield* tagOf<unknown, Scope.Scope>(wrong), "BadArgument");
  assert.equal(yield* file.seek(0n, "current"), 3n);
  assert.equal(readFileSync(`${at}/file`, "latin1"), "content");
  // The kernel's last offset, which no file has.
  assert.equal(yield* file.seek(2n ** 63n - 1n, "start"), 2n ** 63n - 1n);
  assert.deepEqual(yield* Effect.exit(file.readAlloc(5)), Exit.succeed(Option.none()));
});

everywhere("keeps the cursor of a file that is appended to", function* (fs, at) {
  const file = yield* fs.open(`${at}/file`, { flag: "a+" });
  yield* file.writeAll(encode("foo"));
  yield* file.seek(0n, "start");
  yield* file.writeAll(encode("bar"));
  assert.equal(decode(Option.getOrThrow(yield* file.readAlloc(4))), "foob");
  yield* file.writeAll(encode("baz"));
  assert.equal(decode(Option.getOrThrow(yield* file.readAlloc(10))), "arbaz");
  yield* file.truncate(3);
  assert.equal(yield* file.seek(0n, "current"), 9n);
  yield* file.writeAll(encode("end"));
  assert.equal(readFileSync(`${at}/file`, "latin1"), "fooend");
});

everywhere("moves the cursor back when a file is cut before it", function* (fs, at) {
  const file = yield* fs.open(`${at}/file`, { flag: "w+" });
  yield* file.writeAll(encode("lorem ipsum"));
  yield* file.truncate(20);
  assert.equal(yield* file.seek(0n, "current"), 11n);
  yield* file.truncate(5);
  assert.equal(yield* file.seek(0n, "current"), 5n);
  yield* file.truncate();
  assert.equal(yield* file.seek(0n, "current"), 0n);
  assert.equal(statSync(`${at}/file`).size, 0);
});

everywhere("moves any number of bytes", function* (fs, at) {
  const bytes = new Uint8Array(3 * 2 ** 20 + 12_345).map((_, i) => (i * 7) ^ (i >> 11));
  const path = `${at}/file`;
  yield* fs.writeFile(path, bytes);
  assert.isTrue(Buffer.from(bytes).equals(readFileSync(path)));
  assert.isTrue(Buffer.from(bytes).equals(yield* fs.readFile(path)));
  const file = yield* fs.open(path);
  const read = new Uint8Array(bytes.length + 1);
  assert.equal(yield* file.read(read), bytes.length);
  assert.isTrue(Buffer.from(bytes).equals(read.subarray(0, -1)));
  assert.equal(read.at(-1), 0);
  yield* fs.copyFile(path, `${at}/copy`);
  assert.isTrue(Buffer.from(bytes).equals(readFileSync(`${at}/copy`)));
  const parts = yield* Stream.runCollect(fs.stream(path));
  assert.deepEqual(new Set(parts.slice(0, -1).map(({ length }) => length)), new Set([65536]));
  assert.isTrue(Buffer.from(bytes).equals(Buffer.concat(parts)));
  // To another file system, where the kernel may refuse to copy from file to file.
  const other = yield* fs.makeTempDirectoryScoped({ directory: "/dev/shm" });
  yield* fs.copyFile(path, `${other}/copy`);
  assert.isTrue(Buffer.from(bytes).equals(readFileSync(`${other}/copy`)));
});

everywhere("streams parts of a file, and takes streams", function* (fs, at) {
  const path = `${at}/file`;
  yield* Stream.run(Stream.make(encode("lorem "), encode("ipsum")), fs.sink(path));
  assert.equal(readFileSync(path, "latin1"), "lorem ipsum");
  yield* Stream.run(Stream.make(encode("!")), fs.sink(path, { flag: "a" }));
  assert.equal(readFileSync(path, "latin1"), "lorem ipsum!");
  const text = (options: Parameters<Fs["stream"]>[1]) =>
    Stream.runFold(
      fs.stream(path, options),
      () => "",
      (all, bytes) => `${all}[${decode(bytes)}]`,
    );
  assert.equal(yield* text({ offset: 6, bytesToRead: 5 }), "[ipsum]");
  assert.equal(yield* text({ chunkSize: 5 }), "[lorem][ ipsu][m!]");
  assert.equal(yield* text({ chunkSize: 4, bytesToRead: 6, offset: 1 }), "[orem][ i]");
  assert.equal(yield* text({ offset: 100 }), "");
  assert.equal(yield* tagOf(Stream.runDrain(fs.stream(`${at}/no`))), "NotFound");
  assert.equal(yield* tagOf(Stream.run(Stream.empty, fs.sink(at))), "BadResource");
});

everywhere("does not follow a link that it is told not to follow", function* (fs, at) {
  populate(at);
  assert.equal(yield* tagOf(fs.open(`${at}/link`, { noFollow: true })), "BadResource");
  yield* fs.open(`${at}/link`);
  yield* fs.open(`${at}/dlink/inner`, { noFollow: true });
});

everywhere("closes a file with its scope", function* (fs, at) {
  writeFileSync(`${at}/file`, "content");
  const file = yield* Effect.scoped(fs.open(`${at}/file`));
  assert.equal(yield* tagOf(file.readAlloc(1)), "BadResource");
  assert.equal(yield* tagOf(file.stat), "BadResource");
});

everywhere("makes temporary files and directories", function* (fs, at, thread) {
  const options = { directory: at, prefix: "pre-" };
  const directory = yield* fs.makeTempDirectory(options);
  assert.match(directory, new RegExp(`^${at}/pre-[^/]+$`));
  assert.equal(statSync(directory).mode & 0o7777, 0o700);
  const file = yield* fs.makeTempFile({ ...options, suffix: ".txt" });
  assert.match(file, new RegExp(`^${at}/pre-[^/]+/[^/]+\\.txt$`));
  assert.equal(statSync(file).size, 0);
  let gone: ReadonlyArray<string> = [];
  yield* Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* fs.makeTempDirectoryScoped(options);
      writeFileSync(`${directory}/inner`, "");
      const file = yield* fs.makeTempFileScoped(options);
      assert.isTrue(existsSync(file));
      gone = [directory, file, `${file}/..`];
      // In the directory of the process's environment.
      const usual = yield* fs.makeTempDirectoryScoped();
      assert.isTrue(usual.startsWith(`${thread.environ.tmpdir}/`), usual);
      gone = [...gone, usual];
    }),
  );
  for (const path of gone) assert.isFalse(existsSync(path), path);
  for (const path of [directory, file]) assert.isTrue(existsSync(path), path);
  assert.equal(yield* tagOf(fs.makeTempDirectory({ directory: `${at}/no` })), "NotFound");
  assert.equal(yield* tagOf(Effect.scoped(fs.makeTempFileScoped({ prefix: "\0" }))), "BadArgument");
});

everywhere("sets times", function* (fs, at) {
  const path = `${at}/file`;
  writeFileSync(path, "");
  for (const [atime, mtime, ns] of [
    [new Date(1_234_567_890_123), new Date(-1), [1_234_567_890_123_000_000n, -1_000_000n]],
    [1_700_000_000.123456, 0, [1_700_000_000_123_456_000n, 0n]],
    [0.9999999, -0.25, [1_000_000_000n, -250_000_000n]],
  ] as const) {
    yield* fs.utimes(path, atime, mtime);
    const { atimeNs, mtimeNs } = statSync(path, { bigint: true });
    assert.deepEqual([atimeNs, mtimeNs], [...ns]);
  }
  assert.equal(yield* tagOf(fs.utimes(path, new Date(Number.NaN), 0)), "BadArgument");
});

everywhere("copies files that have no size, and to where there are none", function* (fs, at) {
  // Node takes the size for what it is, and copies nothing.
  yield* fs.copyFile("/proc/sys/kernel/ostype", `${at}/copy`);
  assert.equal(readFileSync(`${at}/copy`, "latin1"), "Linux\n");
  yield* Effect.promise(() => execute_("mkfifo", `${at}/fifo`));
  const reading = yield* Effect.forkChild(fs.readFileString(`${at}/fifo`), {
    startImmediately: true,
  });
  yield* fs.copyFile(`${at}/copy`, `${at}/fifo`);
  assert.equal(yield* Fiber.join(reading), "Linux\n");
  const copying = yield* Effect.forkChild(fs.copyFile(`${at}/fifo`, `${at}/copy2`), {
    startImmediately: true,
  });
  yield* fs.writeFileString(`${at}/fifo`, "through");
  yield* Fiber.join(copying);
  assert.equal(readFileSync(`${at}/copy2`, "latin1"), "through");
  yield* fs.copyFile(`${at}/copy`, "/dev/null");
  assert.equal(yield* tagOf(fs.copyFile(`${at}/copy`, "/dev/full")), "Unknown");
  assert.isTrue(existsSync("/dev/full"));
  // A copy that fails leaves nothing: at address 0 there is nothing to read.
  assert.equal(yield* tagOf(fs.copyFile("/proc/self/mem", `${at}/memory`)), "Unknown");
  assert.isFalse(existsSync(`${at}/memory`));
});

everywhere("copies times if that is asked for, and replaces links", function* (fs, at) {
  populate(at);
  utimesSync(`${at}/d/inner`, 1000, 2000);
  yield* fs.copy(`${at}/d`, `${at}/copy`, { preserveTimestamps: true });
  assert.equal(statSync(`${at}/copy/inner`).mtimeMs, 2_000_000);
  yield* fs.copy(`${at}/d`, `${at}/other`);
  assert.notEqual(statSync(`${at}/other/inner`).mtimeMs, 2_000_000);
  yield* fs.copy(`${at}/broken`, `${at}/link`);
  assert.equal(readlinkSync(`${at}/link`), "file");
  yield* fs.copy(`${at}/broken`, `${at}/link`, { overwrite: true });
  assert.equal(readlinkSync(`${at}/link`), `${at}/nowhere`);
  yield* Effect.promise(() => execute_("mkfifo", `${at}/fifo`));
  assert.equal(yield* tagOf(fs.copy(`${at}/fifo`, `${at}/x`)), "Unknown");
});

everywhere("follows links on the way as the kernel does", function* (fs, at) {
  mkdirSync(`${at}/a/b/c`, { recursive: true });
  symlinkSync(`${at}/a/b/c`, `${at}/far`);
  symlinkSync("far/..", `${at}/a/up`);
  symlinkSync(".", `${at}/here`);
  const real = yield* fs.realPath(at);
  for (const path of [
    "far/..",
    "here/here/here/a/../here/far",
    "a/../here/a/b/c/../../b/c/../../../a/b/c",
    "a/b/../b/../b/../b/../b/../b/../b/./././././././.",
    "far/",
  ]) {
    const wanted = yield* Effect.promise(() => execute_("realpath", `${at}/${path}`));
    assert.equal(`${yield* fs.realPath(`${at}/${path}`)}\n`, wanted, path);
  }
  assert.equal(yield* fs.realPath("/../.."), "/");
  writeFileSync(`${at}/file`, "");
  for (const path of ["file/", "file/.", "file/..", "file/../a"])
    assert.equal(yield* tagOf(fs.realPath(`${at}/${path}`)), "BadResource", path);
  // As many links as the kernel follows.
  for (let i = 1; i <= 40; i++) symlinkSync(i === 1 ? "a" : `l${i - 1}`, `${at}/l${i}`);
  assert.equal(yield* fs.realPath(`${at}/l40`), `${real}/a`);
  symlinkSync("l40", `${at}/l41`);
  assert.equal(yield* tagOf(fs.realPath(`${at}/l41`)), "BadResource");
  assert.equal(yield* tagOf(fs.stat(`${at}/l41`)), "BadResource");
});

everywhere("has names whose bytes are not UTF-8", function* (fs, at) {
  const bytes = Buffer.concat([Buffer.from(`${at}/`), Buffer.of(0xff, 0x41)]);
  writeFileSync(bytes, "odd");
  const [name = ""] = yield* fs.readDirectory(at);
  assert.equal(yield* fs.readFileString(`${at}/${name}`), "odd");
  yield* fs.copy(at, `${at}-copy`);
  yield* fs.remove(`${at}-copy`, { recursive: true });
  yield* fs.remove(`${at}/${name}`);
  assert.deepEqual(readdirSync(at), []);
  assert.equal(yield* tagOf(fs.readFile("\ud800")), "BadArgument");
});

/** Tags and paths of events, each once, until there is one of `last`. */
const collect = (
  fs: Fs,
  path: string,
  last: string,
  options: FileSystem.WatchOptions,
  act: Effect.Effect<void>,
) =>
  Effect.gen(function* () {
    const ready = yield* Deferred.make<void>();
    const seen = yield* fs
      .watch(path, { ...options, onReady: () => Deferred.doneUnsafe(ready, Effect.void) })
      .pipe(
        Stream.map(({ _tag, path }) => `${_tag} ${path}`),
        Stream.takeUntil((text) => text === last),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true }),
      );
    yield* Effect.raceFirst(Deferred.await(ready), Fiber.join(seen));
    yield* act;
    return [...new Set(yield* Fiber.join(seen))];
  });

everywhere("watches a directory, and not what is below it", function* (fs, at) {
  populate(at);
  const seen = yield* collect(
    fs,
    at,
    "Create last",
    {},
    Effect.sync(() => {
      writeFileSync(`${at}/new`, "new");
      writeFileSync(`${at}/d/inner`, "changed");
      renameSync(`${at}/new`, `${at}/moved`);
      chmodSync(`${at}/file`, 0o600);
      rmSync(`${at}/moved`);
      writeFileSync(`${at}/last`, "");
    }),
  );
  assert.deepEqual(seen, [
    "Create new",
    "Update new",
    "Remove new",
    "Create moved",
    "Update file",
    "Remove moved",
    "Create last",
  ]);
});

everywhere("watches a file, until it is gone", function* (fs, at) {
  writeFileSync(`${at}/file`, "");
  const seen = yield* collect(
    fs,
    `${at}/file`,
    "nothing",
    { recursive: true },
    Effect.sync(() => {
      writeFileSync(`${at}/other`, "");
      writeFileSync(`${at}/file`, "changed");
      rmSync(`${at}/file`);
    }),
  );
  assert.deepEqual(seen, ["Update file", "Remove file"]);
  assert.equal(yield* tagOf(Stream.runDrain(fs.watch(`${at}/file`))), "NotFound");
  assert.equal(yield* tagOf(Stream.runDrain(fs.watch("\0"))), "BadArgument");
});

everywhere("watches a tree, and what comes into it", function* (fs, at) {
  populate(at);
  const outside = yield* tempDirectory;
  mkdirSync(`${outside}/x/y`, { recursive: true });
  const write = (path: string) => Effect.sync(() => writeFileSync(path, "text"));
  const events = yield* Queue.unbounded<string>();
  const ready = yield* Deferred.make<void>();
  const onReady = () => Deferred.doneUnsafe(ready, Effect.void);
  const watching = yield* Effect.forkChild(
    Stream.runForEach(fs.watch(at, { recursive: true, onReady }), ({ _tag, path }) =>
      Queue.offer(events, `${_tag} ${path}`),
    ),
    { startImmediately: true },
  );
  const until = (wanted: string): Effect.Effect<void> =>
    Effect.flatMap(Queue.take(events), (event) => (event === wanted ? Effect.void : until(wanted)));
  yield* Deferred.await(ready);
  yield* write(`${at}/d/e/deep`);
  yield* until("Update d/e/deep");
  // What is in a directory before anybody watches it.
  yield* Effect.sync(() => mkdirSync(`${at}/new/er/est`, { recursive: true }));
  yield* until("Create new/er/est");
  // The watch may come later than the directory is told of.
  yield* write(`${at}/new/er/est/file`);
  yield* until("Create new/er/est/file");
  yield* Effect.sync(() => renameSync(`${outside}/x`, `${at}/x`));
  yield* until("Create x/y");
  yield* write(`${at}/x/y/file`);
  yield* until("Create x/y/file");
  // Under another name, and what is elsewhere is not told of.
  yield* Effect.sync(() => renameSync(`${at}/x`, `${at}/z`));
  yield* until("Create z/y");
  yield* write(`${at}/z/y/another`);
  yield* until("Create z/y/another");
  yield* Effect.sync(() => renameSync(`${at}/z`, `${outside}/z`));
  yield* until("Remove z");
  yield* write(`${outside}/z/y/unseen`);
  yield* write(`${at}/d/e/last`);
  assert.notInclude(yield* Queue.take(events), "unseen");
  yield* Effect.sync(() => rmSync(`${at}/d`, { recursive: true }));
  yield* until("Remove d");
  yield* Fiber.interrupt(watching);
});

everywhere("waits for the other end of a FIFO, and blocks nobody", function* (fs, at, thread) {
  const path = `${at}/fifo`;
  yield* Effect.promise(() => execute_("mkfifo", path));
  const reading = yield* Effect.forkChild(fs.readFileString(path), { startImmediately: true });
  const writing = yield* Effect.forkChild(fs.writeFileString(path, "x".repeat(200_000)), {
    startImmediately: true,
  });
  assert.equal((yield* Fiber.join(reading)).length, 200_000);
  yield* Fiber.join(writing);
  // The writer first, for whom there is no event.
  const early = yield* Effect.forkChild(fs.writeFileString(path, "early"), {
    startImmediately: true,
  });
  assert.equal(yield* fs.readFileString(path), "early");
  yield* Fiber.join(early);
  // The writer first, by Node's own means.
  const slow = promises.writeFile(path, "from outside");
  assert.equal(yield* fs.readFileString(path), "from outside");
  yield* Effect.promise(() => slow);
  // Nobody comes.
  const unread = yield* Effect.forkChild(fs.readFile(path), { startImmediately: true });
  const nobody = yield* Effect.forkChild(
    fs.writeFileString(path, "x", { flag: "a" }).pipe(Effect.andThen(Effect.never)),
    {
      startImmediately: true,
    },
  );
  yield* Fiber.interrupt(unread);
  yield* Fiber.interrupt(nobody);
  const file = yield* fs.open(path, { flag: "r+" });
  yield* file.writeAll(encode("both"));
  assert.equal(decode(Option.getOrThrow(yield* file.readAlloc(100))), "both");
  const more = yield* Effect.forkChild(file.readAlloc(100), { startImmediately: true });
  yield* Fiber.interrupt(more);
  yield* file.writeAll(encode("kept"));
  assert.equal(decode(Option.getOrThrow(yield* file.readAlloc(100))), "kept");
  assert.equal(yield* tagOf(file.readAlloc(1, { position: 0n })), "Unknown");
  assert.isTrue(thread.stdin.isValid);
});

everywhere("survives that nobody reads a FIFO any more", function* (fs, at) {
  const path = `${at}/fifo`;
  yield* Effect.promise(() => execute_("mkfifo", path));
  const signals = Effect.map(fs.readFileString("/proc/self/status"), (text) =>
    text.match(/^(Sig|Shd)(Blk|Pnd):.*$/gm),
  );
  const before = yield* signals;
  assert.lengthOf(before ?? [], 3);
  const reading = yield* Scope.make();
  yield* Scope.provide(fs.open(path), reading);
  const file = yield* fs.open(path, { flag: "w" });
  yield* file.writeAll(encode("read by nobody"));
  yield* Scope.close(reading, Exit.void);
  for (let i = 0; i < 3; i++) {
    const error = yield* Effect.flip(file.writeAll(encode("x")));
    assert.equal((error.cause as SyscallError).errno, "EPIPE");
  }
  assert.deepEqual(yield* signals, before);
});

everywhere("reads and writes devices", function* (fs) {
  assert.equal((yield* fs.readFile("/dev/null")).length, 0);
  const zero = yield* fs.open("/dev/zero", { flag: "r+" });
  assert.deepEqual(yield* zero.readAlloc(3), Option.some(new Uint8Array(3)));
  yield* zero.writeAll(encode("gone"));
  const full = yield* fs.open("/dev/full", { flag: "w" });
  assert.equal(yield* tagOf(full.writeAll(encode("x"))), "Unknown");
});

for (const { name, thread, missing } of places)
  describe(`FileSystem in ${name}`, () => {
    for (const [title, body] of tests)
      it.skipIf(missing)(title, function* () {
        const where = yield* thread;
        const at = yield* tempDirectory;
        yield* Effect.gen(function* () {
          yield* Effect.gen(body.bind(undefined, yield* FileSystem.FileSystem, at, where) as never);
        }).pipe(Effect.provide(ThreadFileSystem.layer(where)));
      });
  });

/** Runs a program, and gives what it says. */
const execute_ = (command: string, ...args: ReadonlyArray<string>): Promise<string> =>
  Effect.runPromise(Effect.map(execute(command, args), ({ stdout }) => stdout.toString()));

describe("FileSystem of a process", () => {
  it("is where the process is: its directory, root, umask and descriptors", function* () {
    const at = yield* tempDirectory;
    populate(at);
    const { call } = yield* launchStub;
    const fs = ThreadFileSystem.make(call.thread);
    yield* chdir(call.thread.task, `${at}/d`);
    assert.deepEqual(yield* fs.readDirectory("."), ["e", "inner"]);
    assert.equal(yield* fs.realPath("e/deep"), `${at}/d/e/deep`);
    assert.equal(yield* fs.readFileString("inner"), "inner");
    yield* fs.writeFileString("new", "");
    assert.isTrue(existsSync(`${at}/d/new`));
    yield* symlink(call.thread.task, "inner", "relative");
    yield* fs.copy("relative", "absolute");
    assert.equal(readlinkSync(`${at}/d/absolute`), `${at}/d/inner`);
    const [reader, writer] = yield* call.thread.pipe();
    yield* reader.dup3(call.thread.stdin);
    const reading = yield* Effect.forkChild(fs.readFileString("/dev/stdin"), {
      startImmediately: true,
    });
    yield* writer.writeAllText("what it was given");
    yield* writer.close;
    assert.equal(yield* Fiber.join(reading), "what it was given");
    if (notRoot === undefined) {
      yield* call.thread.chroot(at);
      assert.equal(yield* fs.readFileString("/d/inner"), "inner");
      assert.equal(yield* fs.realPath("dlink"), "/d");
      assert.equal(yield* tagOf(fs.readFile("/proc/self/comm")), "NotFound");
    }
  });

  it.skipIf(notRoot)("has the permissions of the process", function* () {
    const at = yield* tempDirectory;
    const { call } = yield* launchStub;
    const fs = ThreadFileSystem.make(call.thread);
    chmodSync(at, 0o755);
    populate(at);
    chmodSync(`${at}/d`, 0o700);
    const nobody = { real: 65534, effective: 65534, saved: 65534 };
    yield* setresgid(call.thread.task, nobody);
    yield* setresuid(call.thread.task, nobody);
    for (const refused of [
      fs.readFile(`${at}/d/inner`),
      fs.readDirectory(`${at}/d`),
      fs.readDirectory(at, { recursive: true }),
      fs.writeFileString(`${at}/new`, ""),
      fs.makeDirectory(`${at}/new`),
      fs.makeDirectory(`${at}/new/er`, { recursive: true }),
      fs.remove(`${at}/file`),
      fs.access(`${at}/file`, { writable: true }),
      fs.copyFile(`${at}/d/inner`, "/dev/null"),
      fs.copy(`${at}/d/inner`, "/dev/null"),
      fs.realPath(`${at}/d/inner`),
      fs.exists(`${at}/d/inner`),
    ])
      assert.equal(yield* tagOf<unknown, never>(refused), "PermissionDenied");
    yield* fs.access(`${at}/d`, { ok: true });
    // Effect's own has no name for EPERM.
    for (const refused of [fs.chown(`${at}/file`, 1, 1), fs.chmod(`${at}/file`, 0o777)])
      assert.equal(yield* tagOf(refused), "Unknown");
  });

  it.skipIf(notRoot)("gives files to others", function* () {
    const at = yield* tempDirectory;
    populate(at);
    const fs = ThreadFileSystem.make(yield* LocalThread);
    const owner = () => [statSync(`${at}/file`).uid, statSync(`${at}/file`).gid];
    yield* fs.chown(`${at}/link`, 12, 34);
    assert.deepEqual(owner(), [12, 34]);
    const { uid, gid } = yield* fs.stat(`${at}/file`);
    assert.deepEqual([uid, gid], [Option.some(12), Option.some(34)]);
    yield* fs.chown(`${at}/file`, -1, 2 ** 32 - 2);
    assert.deepEqual(owner(), [12, 2 ** 32 - 2]);
    yield* fs.chown(`${at}/file`, 56, 2 ** 32 - 1);
    assert.deepEqual(owner(), [56, 2 ** 32 - 2]);
  });

  it("has times that no Date has", function* () {
    const { task } = yield* LocalThread;
    const fs = ThreadFileSystem.make(yield* LocalThread);
    const directory = yield* fs.makeTempDirectoryScoped({ directory: "/dev/shm" });
    writeFileSync(`${directory}/file`, "");
    const atime = { seconds: Number.MAX_SAFE_INTEGER, nanoseconds: 1 };
    yield* utimens(task, `${directory}/file`, { atime, mtime: { seconds: -1, nanoseconds: 1 } });
    const info = yield* fs.stat(`${directory}/file`);
    assert.deepEqual([info.atime, info.mtime], [Option.none(), Option.some(new Date(-1000))]);
  });

  it("fails with PlatformErrors when the process is gone", function* () {
    const { call } = yield* launchStub;
    const fs = ThreadFileSystem.make(call.thread);
    const at = yield* tempDirectory;
    const file = yield* fs.open(`${at}/file`, { flag: "w+" });
    yield* fs.makeTempDirectoryScoped({ directory: at });
    yield* call.thread.exit(0);
    for (const gone of [fs.stat("/"), fs.readFile("/etc/passwd"), fs.readDirectory("/")])
      assert.equal(yield* tagOf<unknown, never>(gone), "Unknown");
    assert.equal(yield* tagOf(file.writeAll(encode("x"))), "Unknown");
  });
});
