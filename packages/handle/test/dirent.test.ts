import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import { ACCESS, AT, DT, fsDecode, O, S_IF, S_IFMT } from "@rsyscall/abi";
import { execute, it, launchStub, missing, start, tempDirectory } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Directory, mkdir, open, removeTree, symlink } from "../src/index.ts";

describe("Directory", () => {
  it("gives its entries, all of them, each time", function* () {
    const { task } = yield* LocalThread;
    const path = yield* tempDirectory;
    const directory = yield* Directory.make(task, path);
    assert.deepEqual(yield* directory.entries(), []);
    const names = Array.from({ length: 2000 }, (_, i) => `file ${i}`);
    for (const name of names) writeFileSync(`${path}/${name}`, "");
    mkdirSync(`${path}/directory`);
    symlinkSync("nowhere", `${path}/link`);
    for (let i = 0; i < 2; i++) {
      const entries = yield* directory.entries();
      assert.sameMembers(
        entries.map(({ name }) => name),
        [...names, "directory", "link"],
      );
      const type = (wanted: string) => entries.find(({ name }) => name === wanted)?.type;
      assert.deepEqual([type("directory"), type("link"), type("file 7")], [DT.DIR, DT.LNK, DT.REG]);
    }
  });

  for (const [where, thread] of [
    ["here", LocalThread],
    ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as const)
    it(`gives its entries with their status ${where}, links with their own`, function* () {
      const { task } = yield* thread;
      const path = yield* tempDirectory;
      const directory = yield* Directory.make(task, path);
      assert.deepEqual(yield* directory.statuses(), []);
      const names = Array.from({ length: 600 }, (_, i) => `file ${i}`);
      for (const [i, name] of names.entries()) writeFileSync(`${path}/${name}`, "x".repeat(i));
      symlinkSync("nowhere", `${path}/link`);
      const statuses = yield* directory.statuses();
      assert.sameMembers(
        statuses.map(({ entry }) => entry.name),
        [...names, "link"],
      );
      for (const { entry, status } of statuses) {
        const seen = lstatSync(`${path}/${entry.name}`, { bigint: true });
        assert.deepEqual(
          [status.ino, status.mode, BigInt(status.size)],
          [seen.ino, Number(seen.mode), seen.size],
        );
      }
    });

  it("gives names of any bytes", function* () {
    const { task } = yield* LocalThread;
    const path = yield* tempDirectory;
    const names = [
      Buffer.of(0xff, 0xfe),
      Buffer.from("a\nb"),
      Buffer.from("ünï"),
      Buffer.alloc(255, 0x80),
    ];
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${path}/`), name]), "");
    const directory = yield* Directory.make(task, path);
    assert.sameMembers(
      (yield* directory.entries()).map(({ name }) => name),
      names.map(fsDecode),
    );
    for (const name of names) yield* directory.unlinkat(name);
    assert.deepEqual(readdirSync(path), []);
  });

  it("is read by several at once, and in batches with all that the kernel gives", function* () {
    const { task } = (yield* launchStub).call.thread;
    const path = yield* tempDirectory;
    for (let i = 0; i < 2000; i++) writeFileSync(`${path}/a longer name ${i}`, "");
    const directory = yield* Directory.make(task, path);
    const entries = directory.entries();
    const all = yield* Effect.all([entries, entries, entries], { concurrency: "unbounded" });
    for (const each of all) assert.equal(new Set(each.map(({ name }) => name)).size, 2000);
    const again = yield* Directory.make(task, path);
    const seen: Array<string> = [];
    for (;;) {
      const batch = yield* again.getdents(4096);
      if (batch.length === 0) break;
      assert.isAtMost(batch.length, 4096 / 24);
      seen.push(...batch.map(({ name }) => name));
    }
    assert.sameMembers(seen, [".", "..", ...all[0].map(({ name }) => name)]);
    const small = yield* Directory.make(task, path);
    assert.equal(((yield* Effect.flip(small.getdents(8))) as SyscallError).errno, "EINVAL");
  });

  for (const [where, thread] of [
    ["here", LocalThread],
    ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as const)
    it(`is where paths begin, whatever it is called by now: ${where}`, function* () {
      const { task } = yield* thread;
      const root = yield* tempDirectory;
      mkdirSync(`${root}/first`);
      mkdirSync(`${root}/other`);
      const directory = yield* Directory.make(task, `${root}/first`);
      const other = yield* Directory.make(task, `${root}/other`, O.PATH);
      renameSync(`${root}/first`, `${root}/now`);
      const now = `${root}/now`;

      const file = yield* directory.openat("file", O.CREAT | O.EXCL | O.RDWR, 0o600);
      yield* file.writeAllText("content");
      assert.equal(readFileSync(`${now}/file`, "utf8"), "content");
      yield* directory.mkdirat("inner", 0o700);
      yield* directory.symlinkat("file", "link");
      assert.equal((yield* directory.readlinkat("link")).text, "file");
      assert.equal((yield* directory.fstatat("link")).mode & S_IFMT, S_IF.REG);
      const link = yield* directory.fstatat("link", AT.SYMLINK_NOFOLLOW);
      assert.equal(link.mode & S_IFMT, S_IF.LNK);
      yield* directory.fchmodat("link", 0o400);
      assert.equal(statSync(`${now}/file`).mode & 0o777, 0o400);
      yield* directory.faccessat("file", ACCESS.R);
      yield* directory.faccessat("inner", ACCESS.X, AT.EACCESS);
      const denied = yield* Effect.flip(directory.faccessat("file", ACCESS.X, AT.EACCESS));
      assert.deepInclude({ ...denied }, { errno: "EACCES", subject: "file" });

      yield* directory.linkat("file", other, "second");
      assert.equal(statSync(`${root}/other/second`).ino, statSync(`${now}/file`).ino);
      linkSync(`${now}/file`, `${root}/other/third`);
      const refused = yield* Effect.flip(directory.renameat("file", other, "third", 1));
      assert.deepInclude({ ...refused }, { errno: "EEXIST", subject: "file to third" });
      yield* directory.renameat("inner", other, "moved");
      assert.sameMembers(readdirSync(`${root}/other`), ["moved", "second", "third"]);
      yield* other.unlinkat("moved", AT.REMOVEDIR);
      yield* directory.unlinkat("link");
      yield* directory.removeTree("file");
      assert.deepEqual(readdirSync(now), []);
      yield* directory.mkdirat(`${root}/absolute`);
      assert.include(readdirSync(root), "absolute");
      const misread = yield* Effect.flip(directory.mkdirat("a\0b"));
      assert.deepInclude({ ...misread }, { _tag: "InvalidArgumentError", syscall: "mkdirat" });
      yield* directory.close();
      assert.equal((yield* Effect.flip(directory.mkdirat("late")))._tag, "UseAfterFreeError");
    });

  it("is nothing else, and no longer there once removed", function* () {
    const { task } = yield* LocalThread;
    const path = yield* tempDirectory;
    writeFileSync(`${path}/file`, "");
    const error = (yield* Effect.flip(Directory.make(task, `${path}/file`))) as SyscallError;
    assert.deepInclude({ ...error }, { errno: "ENOTDIR", subject: `${path}/file` });
    const file = yield* open(task, `${path}/file`, 0);
    assert.equal((yield* Effect.flip(Directory.from(file)))._tag, "WrongKindError");
    mkdirSync(`${path}/gone`);
    const gone = yield* Directory.from(yield* open(task, `${path}/gone`, 0));
    rmdirSync(`${path}/gone`);
    assert.equal(((yield* Effect.flip(gone.entries())) as SyscallError).errno, "ENOENT");
  });
});

const stubC = fileURLToPath(new URL("../../../stub-c", import.meta.url));
const compiler = "aarch64-linux-gnu-gcc";
const emulator = "qemu-aarch64-static";

describe("Directory on another machine", () => {
  it.skipIf(missing(compiler) ?? missing(emulator))(
    "opens directories alone, and removes trees, by the flags of that machine",
    function* () {
      const directory = yield* tempDirectory;
      const built = yield* execute("make", [
        ...["-C", stubC, "ARCH=aarch64", `CC=${compiler}`, `OUT=${directory}`],
      ]);
      assert.equal(built.status, 0, built.stderr.toString());
      const socket = `${directory}/socket`;
      const server = yield* StubServer.listenOn(yield* LocalThread, socket);
      yield* start(emulator, [`${directory}/rsyscall-unix-stub`], {
        env: { ...process.env, RSYSCALL_UNIX_STUB_SOCK_PATH: socket },
      });
      const { task } = (yield* server.accept()).thread;
      writeFileSync(`${directory}/file`, "");
      const error = yield* Effect.flip(Directory.make(task, `${directory}/file`));
      assert.deepInclude({ ...error }, { errno: "ENOTDIR" });
      const link = yield* Effect.flip(Directory.make(task, "/proc/self/cwd", O.NOFOLLOW));
      assert.deepInclude({ ...link }, { errno: "ENOTDIR" });
      for (const path of ["tree", "tree/a", "tree/a/b"]) yield* mkdir(task, `${directory}/${path}`);
      yield* symlink(task, directory, `${directory}/tree/a/link`);
      const opened = yield* Directory.make(task, `${directory}/tree`);
      assert.deepEqual(
        (yield* opened.entries()).map(({ name }) => name),
        ["a"],
      );
      yield* removeTree(task, `${directory}/tree`);
      assert.notInclude(readdirSync(directory), "tree");
      assert.include(readdirSync(directory), "file");
    },
  );
});
