import { lstatSync, mkdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { AT, isDirectory, isSymlink, O, type Stat } from "@rsyscall/abi";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { it, launchStub, tempDirectory } from "../../../../tests/harness/index.ts";
import { chmod, mkdir, open, stat, umask } from "../../src/index.ts";
import { statusOf } from "../status.ts";

/** What Node says of a file, by its own means, in our shape. */
const byNode = (path: string, of: typeof statSync | typeof lstatSync = statSync): Stat => {
  const node = of(path, { bigint: true });
  const time = (ns: bigint) => ({
    seconds: Number(ns / 1_000_000_000n),
    nanoseconds: Number(ns % 1_000_000_000n),
  });
  return {
    dev: node.dev,
    ino: node.ino,
    mode: Number(node.mode),
    nlink: Number(node.nlink),
    uid: Number(node.uid),
    gid: Number(node.gid),
    rdev: node.rdev,
    size: Number(node.size),
    blksize: Number(node.blksize),
    blocks: Number(node.blocks),
    atime: time(node.atimeNs),
    mtime: time(node.mtimeNs),
    ctime: time(node.ctimeNs),
  };
};

/** A directory with a file, a directory and a link to the file. */
const tree = Effect.map(tempDirectory, (directory) => {
  writeFileSync(`${directory}/file`, "x".repeat(12_345), { mode: 0o640 });
  utimesSync(`${directory}/file`, 1_000_000_000.25, 2_000_000_000.5);
  mkdirSync(`${directory}/directory`);
  symlinkSync("file", `${directory}/link`);
  return directory;
});

describe("stat", () => {
  it("says what Node says, in every field", function* () {
    const { task } = yield* LocalThread;
    const directory = yield* tree;
    for (const path of [`${directory}/file`, directory, "/dev/null", "/proc/self/ns/net"])
      assert.deepEqual(yield* stat(task, path), byNode(path), path);
    const { size, mtime } = yield* stat(task, `${directory}/file`);
    assert.deepEqual([size, mtime], [12_345, { seconds: 2_000_000_000, nanoseconds: 500_000_000 }]);
  });

  it("follows links unless it is told not to", function* () {
    const { task } = yield* LocalThread;
    const link = `${yield* tree}/link`;
    assert.deepEqual(yield* stat(task, link), byNode(link));
    const itself = yield* stat(task, link, AT.SYMLINK_NOFOLLOW);
    assert.deepEqual(itself, byNode(link, lstatSync));
    assert.isTrue(isSymlink(itself.mode));
  });

  it("says the same in another process, and of an open file", function* () {
    const { task } = yield* LocalThread;
    const path = `${yield* tree}/file`;
    const { call } = yield* launchStub;
    assert.deepEqual(yield* stat(call.thread.task, path), byNode(path));
    const file = yield* open(task, path, O.RDONLY);
    assert.deepEqual(yield* file.fstat, byNode(path));
  });

  it("names the path that is not there", function* () {
    const { task } = yield* LocalThread;
    const error = (yield* Effect.flip(stat(task, "/no/such"))) as SyscallError;
    assert.deepInclude({ ...error }, { errno: "ENOENT", subject: "/no/such" });
    const path = "/tmp/a\0b";
    for (const use of [stat(task, path), mkdir(task, path), chmod(task, path, 0o600)])
      assert.equal(((yield* Effect.flip(use)) as SyscallError).errno, "EINVAL");
  });
});

describe("mkdir and chmod", () => {
  it("make a directory with the mode that is asked for", function* () {
    const { task } = yield* LocalThread;
    const path = `${yield* tempDirectory}/new`;
    yield* mkdir(task, path, 0o701);
    assert.isTrue(isDirectory(statSync(path).mode));
    assert.equal(statSync(path).mode & 0o7777, 0o701 & ~process.umask());
    yield* chmod(task, path, 0o1777);
    assert.equal(statSync(path).mode & 0o7777, 0o1777);
    const again = (yield* Effect.flip(mkdir(task, path))) as SyscallError;
    assert.deepInclude({ ...again }, { syscall: "mkdirat", errno: "EEXIST", subject: path });
  });
});

describe("umask", () => {
  it("is set in the process that is meant, and gives the one before", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const ours = process.umask();
    assert.equal(yield* umask(task, 0o137), ours);
    assert.equal(statusOf(call.pid, "Umask"), "0137");
    assert.equal(yield* umask(task, 0), 0o137);
    assert.equal(process.umask(), ours);
  });
});
