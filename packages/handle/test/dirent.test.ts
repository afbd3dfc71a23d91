import { existsSync, mkdirSync, readdirSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { DT } from "@rsyscall/abi";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { it, launchStub, tempDirectory } from "../../../tests/harness/index.ts";
import { Directory, open, removeTree } from "../src/index.ts";

describe("Directory", () => {
  it("gives its entries, all of them, each time", function* () {
    const { task } = yield* LocalThread;
    const path = yield* tempDirectory;
    const directory = yield* Directory.open(task, path);
    assert.deepEqual(yield* directory.entries, []);
    const names = Array.from({ length: 2000 }, (_, i) => `file ${i}`);
    for (const name of names) writeFileSync(`${path}/${name}`, "");
    mkdirSync(`${path}/directory`);
    symlinkSync("nowhere", `${path}/link`);
    for (let i = 0; i < 2; i++) {
      const entries = yield* directory.entries;
      assert.sameMembers(
        entries.map(({ name }) => name),
        [...names, "directory", "link"],
      );
      const type = (wanted: string) => entries.find(({ name }) => name === wanted)?.type;
      assert.deepEqual([type("directory"), type("link"), type("file 7")], [DT.DIR, DT.LNK, DT.REG]);
    }
  });

  it("is nothing else, and no longer there once removed", function* () {
    const { task } = yield* LocalThread;
    const path = yield* tempDirectory;
    writeFileSync(`${path}/file`, "");
    const error = (yield* Effect.flip(Directory.open(task, `${path}/file`))) as SyscallError;
    assert.deepInclude({ ...error }, { errno: "ENOTDIR", subject: `${path}/file` });
    const file = yield* open(task, `${path}/file`, 0);
    assert.equal((yield* Effect.flip(Directory.from(file)))._tag, "WrongKindError");
    mkdirSync(`${path}/gone`);
    const gone = yield* Directory.from(yield* open(task, `${path}/gone`, 0));
    rmdirSync(`${path}/gone`);
    assert.equal(((yield* Effect.flip(gone.entries)) as SyscallError).errno, "ENOENT");
  });
});

describe("removeTree", () => {
  for (const [where, thread] of [
    ["here", LocalThread],
    ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as const)
    it(`removes files and directories ${where}, however deep`, function* () {
      const { task } = yield* thread;
      const root = yield* tempDirectory;
      const before = readdirSync(`/proc/${task.pid}/fd`).length;
      let path = `${root}/deep`;
      mkdirSync(path);
      // Deeper than a path can be, and than most processes may have descriptors.
      const cwd = process.cwd();
      process.chdir(path);
      for (let i = 0; i < 1500; i++) {
        mkdirSync("d");
        writeFileSync("f", "");
        process.chdir("d");
      }
      process.chdir(cwd);
      yield* removeTree(task, `${root}/deep`);
      path = `${root}/file`;
      writeFileSync(path, "");
      yield* removeTree(task, path);
      symlinkSync(cwd, path);
      yield* removeTree(task, path);
      assert.deepEqual(readdirSync(root), []);
      assert.isTrue(existsSync(cwd));
      assert.isAtMost(readdirSync(`/proc/${task.pid}/fd`).length, before);
    });

  it("says what is not there", function* () {
    const { task } = yield* LocalThread;
    const error = (yield* Effect.flip(removeTree(task, "/no/such"))) as SyscallError;
    assert.equal(error.errno, "ENOENT");
    assert.include(error.subject as string, "/no/such");
  });
});
