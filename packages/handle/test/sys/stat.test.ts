import {
  linkSync,
  lstatSync,
  mkdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import {
  AT,
  isDirectory,
  isSymlink,
  makedev,
  O,
  STATX,
  type Stat,
  type Statx,
  type StatxTimestamp,
  UTIME,
} from "@rsyscall/abi";
import { it, launchStub, tempDirectory } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { chmod, fstatx, mkdir, open, stat, statx, umask, utimens } from "../../src/index.ts";
import { statusOf } from "../procStatus.ts";

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
    // While nobody has it open, the kernel may forget its inode, and make another with times of its own.
    yield* open(task, "/proc/self/ns/net", O.RDONLY);
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
    assert.deepEqual(yield* file.fstat(), byNode(path));
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

describe("statx", () => {
  const ns = ({ seconds, nanoseconds }: StatxTimestamp) =>
    seconds * 1_000_000_000n + BigInt(nanoseconds);
  const same = (status: Statx, path: string, of: typeof statSync | typeof lstatSync = statSync) => {
    const node = of(path, { bigint: true });
    assert.equal(status.mask & STATX.BASIC_STATS, STATX.BASIC_STATS);
    assert.deepEqual(
      {
        dev: makedev(status.devMajor, status.devMinor),
        rdev: makedev(status.rdevMajor, status.rdevMinor),
        ino: status.ino,
        mode: BigInt(status.mode),
        nlink: BigInt(status.nlink),
        uid: BigInt(status.uid),
        gid: BigInt(status.gid),
        size: status.size,
        blksize: BigInt(status.blksize),
        blocks: status.blocks,
        atimeNs: ns(status.atime),
        mtimeNs: ns(status.mtime),
        ctimeNs: ns(status.ctime),
        ...(status.mask & STATX.BTIME && { birthtimeNs: ns(status.btime) }),
      },
      Object.fromEntries(
        Object.entries(node).filter(
          ([name, value]) =>
            typeof value === "bigint" &&
            !name.endsWith("Ms") &&
            (name !== "birthtimeNs" || status.mask & STATX.BTIME),
        ),
      ) as never,
    );
  };

  it("says what Node says, and when a file was made", function* () {
    const { task } = yield* LocalThread;
    const { call } = yield* launchStub;
    const directory = yield* tree;
    linkSync(`${directory}/file`, `${directory}/second`);
    for (const path of [`${directory}/file`, `${directory}/link`, directory, "/dev/null"]) {
      same(yield* statx(task, path), path);
      same(yield* statx(call.thread.task, path), path);
      same(yield* statx(task, path, AT.SYMLINK_NOFOLLOW), path, lstatSync);
      same(yield* fstatx(yield* open(task, path, O.RDONLY)), path);
    }
    // tmpfs knows it.
    assert.isAbove((yield* statx(task, "/dev/shm")).mask & STATX.BTIME, 0);
    const error = (yield* Effect.flip(statx(task, "/no/such"))) as SyscallError;
    assert.deepInclude({ ...error }, { syscall: "statx", errno: "ENOENT", subject: "/no/such" });
  });
});

describe("utimens", () => {
  it("sets times to the nanosecond, to now, or not at all", function* () {
    const { task } = yield* LocalThread;
    const directory = yield* tree;
    const [file, link] = [`${directory}/file`, `${directory}/link`];
    const times = (of = statSync) => {
      const { atimeNs, mtimeNs } = of(file, { bigint: true });
      return [atimeNs, mtimeNs];
    };
    const atime = { seconds: 1_234_567_890, nanoseconds: 123_456_789 };
    yield* utimens(task, link, { atime, mtime: { seconds: -2, nanoseconds: 1 } });
    assert.deepEqual(times(), [1_234_567_890_123_456_789n, -1_999_999_999n]);
    const omit = { seconds: 0, nanoseconds: UTIME.OMIT };
    yield* utimens(task, file, { atime: omit, mtime: { seconds: 5, nanoseconds: 0 } });
    assert.deepEqual(times(), [1_234_567_890_123_456_789n, 5_000_000_000n]);
    yield* utimens(task, link, { atime, mtime: atime }, AT.SYMLINK_NOFOLLOW);
    assert.equal(lstatSync(link, { bigint: true }).mtimeNs, 1_234_567_890_123_456_789n);
    assert.equal(times()[1], 5_000_000_000n);
    yield* utimens(task, file);
    assert.isAbove(Number(times()[1]), 1.7e18);
    for (const wrong of [
      { seconds: 1.5, nanoseconds: 0 },
      { seconds: 0, nanoseconds: 2 ** 32 },
      { seconds: Number.NaN, nanoseconds: 0 },
      { seconds: 0, nanoseconds: 1e9 },
    ]) {
      const error = (yield* Effect.flip(
        utimens(task, file, { atime: wrong, mtime: omit }),
      )) as SyscallError;
      assert.deepInclude({ ...error }, { errno: "EINVAL", subject: file });
    }
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
    for (const mode of [Number.NaN, 2 ** 32 + 0o600, -1, 0o600 + 0.5, 0x10000]) {
      const error = yield* Effect.flip(chmod(task, path, mode));
      const refusal = { _tag: "InvalidArgumentError", syscall: "fchmodat", argument: "mode" };
      assert.deepInclude({ ...error } as object, { ...refusal, value: mode });
      assert.equal(statSync(path).mode & 0o7777, 0o1777);
    }
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
