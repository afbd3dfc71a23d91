import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { ACCESS, AT, O } from "@rsyscall/abi";
import { it, notRoot, tempDirectory } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import {
  absolutePath,
  access,
  chdir,
  chown,
  getcwd,
  link,
  type PipeReader,
  PipeWriter,
  pipe,
  readlink,
  rename,
  rmdir,
  symlink,
  truncate,
  unlink,
} from "../src/index.ts";

/** RENAME_NOREPLACE of renameat2(2). */
const NOREPLACE = 1;

describe("pipe", () => {
  it("has a read end and a write end, with the flags that are asked for", function* () {
    const { task } = yield* LocalThread;
    const [reader, writer] = yield* pipe(task, O.NONBLOCK);
    assert.equal((yield* reader.statusFlags()) & (O.ACCMODE | O.NONBLOCK), O.RDONLY | O.NONBLOCK);
    assert.equal((yield* writer.statusFlags()) & (O.ACCMODE | O.NONBLOCK), O.WRONLY | O.NONBLOCK);
    const empty = (yield* Effect.flip(reader.readBytes())) as SyscallError;
    assert.equal(empty.errno, "EAGAIN");
    yield* writer.writeAllText("through");
    assert.equal(new TextDecoder().decode(yield* reader.readBytes()), "through");
    assert.instanceOf(yield* writer.dup(), PipeWriter);
    const misuse = (end: PipeReader) => {
      // @ts-expect-error a pipe takes no connections
      end.accept();
      // @ts-expect-error a pipe has nobody to send descriptors to
      end.sendFds(new Uint8Array(1), []);
    };
    assert.isFunction(misuse);
  });
});

describe("names of files", () => {
  it("are removed, and moved, and not over another if that is asked for", function* () {
    const { task } = yield* LocalThread;
    const directory = yield* tempDirectory;
    const [a, b] = [`${directory}/a`, `${directory}/b`];
    writeFileSync(a, "a");
    writeFileSync(b, "b");
    const refused = (yield* Effect.flip(rename(task, a, b, NOREPLACE))) as SyscallError;
    assert.deepInclude({ ...refused }, { errno: "EEXIST", subject: `${a} to ${b}` });
    yield* rename(task, a, b);
    assert.equal(readFileSync(b, "utf8"), "a");
    yield* unlink(task, b);
    assert.deepEqual(readdirSync(directory), []);
    const gone = (yield* Effect.flip(unlink(task, b))) as SyscallError;
    assert.deepInclude({ ...gone }, { syscall: "unlinkat", errno: "ENOENT", subject: b });
  });

  it("of directories go by rmdir alone, once they are empty", function* () {
    const { task } = yield* LocalThread;
    const path = `${yield* tempDirectory}/directory`;
    mkdirSync(`${path}/inner`, { recursive: true });
    assert.include((yield* Effect.flip(unlink(task, path))).message, "EISDIR");
    assert.include((yield* Effect.flip(rmdir(task, path))).message, "ENOTEMPTY");
    yield* rmdir(task, `${path}/inner`);
    yield* rmdir(task, path);
    assert.isFalse(existsSync(path));
  });

  it("may have bytes that are not UTF-8, in links too", function* () {
    const { task } = yield* LocalThread;
    const directory = yield* tempDirectory;
    const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.of(0xff, 0xfe)]);
    const target = Uint8Array.of(0xc3, 0x28, 0x80);
    yield* symlink(task, target, path);
    assert.deepEqual(new Uint8Array(readlinkSync(path, "buffer")), target);
    assert.deepEqual((yield* readlink(task, path)).bytes, target);
    yield* unlink(task, path);
    assert.deepEqual(readdirSync(directory), []);
  });
});

describe("link", () => {
  it("gives a file another name, and does not follow links", function* () {
    const { task } = yield* LocalThread;
    const directory = yield* tempDirectory;
    const [a, b] = [`${directory}/a`, `${directory}/b`];
    writeFileSync(a, "");
    yield* link(task, a, b);
    assert.equal(statSync(b).ino, statSync(a).ino);
    symlinkSync("nowhere", `${directory}/link`);
    yield* link(task, `${directory}/link`, `${directory}/second`);
    assert.equal(readlinkSync(`${directory}/second`), "nowhere");
    const refused = (yield* Effect.flip(link(task, a, b))) as SyscallError;
    assert.deepInclude({ ...refused }, { errno: "EEXIST", subject: `${a} to ${b}` });
  });
});

describe("chown", () => {
  it.skipIf(notRoot)("gives a file to another user, or a link itself", function* () {
    const { task } = yield* LocalThread;
    const directory = yield* tempDirectory;
    const [file, name] = [`${directory}/file`, `${directory}/link`];
    writeFileSync(file, "");
    symlinkSync("file", name);
    const owner = ({ uid, gid }: { uid: number; gid: number }) => [uid, gid];
    yield* chown(task, name, 12, 34);
    assert.deepEqual(owner(statSync(file)), [12, 34]);
    assert.deepEqual(owner(lstatSync(name)), [0, 0]);
    yield* chown(task, name, 56, -1, AT.SYMLINK_NOFOLLOW);
    assert.deepEqual(owner(lstatSync(name)), [56, 0]);
    yield* chown(task, file, -1, 2 ** 32 - 2);
    assert.deepEqual(owner(statSync(file)), [12, 2 ** 32 - 2]);
    // The kernel would see root's id, and "no change".
    for (const wrong of [2 ** 32, 2 ** 32 - 1, -2, 0.5, Number.NaN]) {
      assert.equal((yield* Effect.flip(chown(task, file, wrong, 0)))._tag, "InvalidArgumentError");
      assert.equal((yield* Effect.flip(chown(task, file, 0, wrong)))._tag, "InvalidArgumentError");
    }
    assert.deepEqual(owner(statSync(file)), [12, 2 ** 32 - 2]);
  });
});

describe("truncate", () => {
  it("cuts a file, or adds zeros", function* () {
    const { task } = yield* LocalThread;
    const path = `${yield* tempDirectory}/file`;
    writeFileSync(path, "content");
    yield* truncate(task, path, 3);
    yield* truncate(task, path, 5);
    assert.equal(readFileSync(path, "latin1"), "con\0\0");
    yield* truncate(task, path, 2 ** 33 + 1);
    assert.equal(statSync(path).size, 2 ** 33 + 1);
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 64])
      assert.equal((yield* Effect.flip(truncate(task, path, wrong)))._tag, "InvalidArgumentError");
    assert.equal(statSync(path).size, 2 ** 33 + 1);
  });
});

describe("readlink", () => {
  it("reads links as long as they can be, and nothing else", function* () {
    const { task } = yield* LocalThread;
    const directory = yield* tempDirectory;
    const target = "t".repeat(4095);
    symlinkSync(target, `${directory}/link`);
    assert.equal((yield* readlink(task, `${directory}/link`)).text, target);
    assert.include((yield* Effect.flip(readlink(task, directory))).message, "EINVAL");
  });
});

describe("access", () => {
  it("tells what may be done with a file, by the kernel's answer", function* () {
    const { task } = yield* LocalThread;
    const path = `${yield* tempDirectory}/file`;
    assert.include((yield* Effect.flip(access(task, path))).message, "ENOENT");
    writeFileSync(path, "", { mode: 0o600 });
    yield* access(task, path);
    yield* access(task, path, ACCESS.R | ACCESS.W);
    // Not even root may execute what nobody may.
    assert.include((yield* Effect.flip(access(task, path, ACCESS.X))).message, "EACCES");
  });
});

describe("getcwd", () => {
  it("is the working directory of the process", function* () {
    const { task } = yield* LocalThread;
    assert.equal((yield* getcwd(task)).text, process.cwd());
  });
});

describe("a path from the root", () => {
  it("begins at the directory of the task, if it is relative", function* () {
    const { task } = yield* (yield* LocalThread).fork();
    yield* chdir(task, "/usr");
    assert.equal((yield* absolutePath(task, "bin/env")).text, "/usr/bin/env");
    assert.equal((yield* absolutePath(task, "/etc")).text, "/etc");
  });
});
