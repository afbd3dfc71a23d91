import {
  appendFileSync,
  chmodSync,
  existsSync,
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
import { execute, it, launchStub, notRoot, tempDirectory } from "@rsyscall/harness";
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
import { ThreadFileSystem } from "../src/index.ts";
import { comparisons, nodeTag, populate, tree } from "./nodeComparisons.ts";
import { threadKinds } from "./threadKinds.ts";

type Fs = FileSystem.FileSystem;

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The reason for which an effect fails. */
const reasonOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason);

const tagOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(reasonOf(effect), ({ _tag }) => _tag as string);

type Body = (
  fs: Fs,
  at: string,
  thread: Thread,
) => Generator<Effect.Effect<unknown, unknown, Scope.Scope | LocalThread>, void, never>;

const tests: Array<readonly [title: string, body: Body]> = [];

/** A test that is made in all kinds of Threads, in a directory of its own. */
const everywhere = (title: string, body: Body) => tests.push([title, body]);

everywhere("gives and does what Node does", function* (fs) {
  for (const { name, ours, node } of comparisons) {
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
  // It goes on where it has been, whatever was appended meanwhile.
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
  // From where it is now it reads on.
  appendFileSync(`${at}/file`, "more");
  assert.equal(decode(Option.getOrThrow(yield* file.readAlloc(9))), "more");
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
  // What is in a directory before it is watched.
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

everywhere("waits for the other end of a FIFO, and blocks no call", function* (fs, at, thread) {
  const path = `${at}/fifo`;
  yield* Effect.promise(() => execute_("mkfifo", path));
  const reading = yield* Effect.forkChild(fs.readFileString(path), { startImmediately: true });
  const writing = yield* Effect.forkChild(fs.writeFileString(path, "x".repeat(200_000)), {
    startImmediately: true,
  });
  assert.equal((yield* Fiber.join(reading)).length, 200_000);
  yield* Fiber.join(writing);
  // The writer first: the kernel has no event for it.
  const early = yield* Effect.forkChild(fs.writeFileString(path, "early"), {
    startImmediately: true,
  });
  assert.equal(yield* fs.readFileString(path), "early");
  yield* Fiber.join(early);
  // The writer first, by Node's own means. A close is not waited for; until it has got to the process, the FIFO
  // would have a reader that reads no more.
  yield* thread.task.sysif.barrier();
  const slow = promises.writeFile(path, "from outside");
  assert.equal(yield* fs.readFileString(path), "from outside");
  yield* Effect.promise(() => slow);
  // No other end comes.
  const unread = yield* Effect.forkChild(fs.readFile(path), { startImmediately: true });
  const unheard = yield* Effect.forkChild(
    fs.writeFileString(path, "x", { flag: "a" }).pipe(Effect.andThen(Effect.never)),
    {
      startImmediately: true,
    },
  );
  yield* Fiber.interrupt(unread);
  yield* Fiber.interrupt(unheard);
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

everywhere("survives that the reader of a FIFO is gone", function* (fs, at) {
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
  yield* file.writeAll(encode("not read"));
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

for (const { name, thread, missing } of threadKinds)
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
    yield* writer.close();
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
      // These are EPERM.
      fs.chown(`${at}/file`, 1, 1),
      fs.chmod(`${at}/file`, 0o777),
    ])
      assert.equal(yield* tagOf<unknown, never>(refused), "PermissionDenied");
    yield* fs.access(`${at}/d`, { ok: true });
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
