import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { F, FD, fsEncode, IN, type InotifyEvent } from "@rsyscall/abi";
import { it, launchStub, tempDirectory } from "@rsyscall/harness";
import { Path } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { type HandleFailure, Inotify, type Task } from "../../src/index.ts";

const local = Effect.map(LocalThread, ({ task }) => task);
const stub = Effect.map(launchStub, ({ call }) => call.thread.task);

const errnoOf = (effect: Effect.Effect<unknown, HandleFailure>) =>
  Effect.map(Effect.flip(effect), (error) => ("errno" in error ? error.errno : error._tag));

const nonBlocking = (task: Task) => Inotify.make(task, IN.NONBLOCK);

const about = (events: ReadonlyArray<InotifyEvent>) =>
  events.map(({ wd, mask, name }) => [wd, mask, name]);

describe("Inotify", () => {
  for (const [where, task] of [
    ["here", local],
    ["in a stub", stub],
  ] as const)
    it(`${where}, tells what happens in a directory`, function* () {
      const directory = yield* tempDirectory;
      const inotify = yield* Effect.flatMap(task, nonBlocking);
      assert.equal(yield* inotify.fcntl(F.GETFD), FD.CLOEXEC);
      const wd = yield* inotify.addWatch(directory, IN.CREATE | IN.DELETE | IN.MOVE);
      assert.equal(yield* errnoOf(inotify.readEvents()), "EAGAIN");
      mkdirSync(`${directory}/inner`);
      const odd = Path.make(Buffer.from(`${directory}/\xff name`, "latin1"));
      writeFileSync(Buffer.from(fsEncode(odd.text)), "");
      const long = "n".repeat(255);
      renameSync(Buffer.from(fsEncode(odd.text)), `${directory}/${long}`);
      rmdirSync(`${directory}/inner`);
      const events = yield* inotify.readEvents();
      assert.deepEqual(about(events), [
        [wd, IN.CREATE | IN.ISDIR, "inner"],
        [wd, IN.CREATE, "\udcff name"],
        [wd, IN.MOVED_FROM, "\udcff name"],
        [wd, IN.MOVED_TO, long],
        [wd, IN.DELETE | IN.ISDIR, "inner"],
      ]);
      const [, created, from, to] = events;
      assert.equal(created?.cookie, 0);
      assert.isAbove(from?.cookie ?? 0, 0);
      assert.equal(to?.cookie, from?.cookie);
      yield* inotify.rmWatch(wd);
      assert.deepEqual(about(yield* inotify.readEvents()), [[wd, IN.IGNORED, undefined]]);
      assert.equal(yield* errnoOf(inotify.rmWatch(wd)), "EINVAL");
    });

  it("has one watch a file, whatever the path", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* Effect.flatMap(local, nonBlocking);
    const shown = () =>
      /mask:(\w+)/.exec(readFileSync(`/proc/self/fdinfo/${inotify.near}`, "latin1"))?.[1];
    const wd = yield* inotify.addWatch(directory, IN.CREATE);
    assert.equal(yield* inotify.addWatch(`${directory}/.`, IN.DELETE), wd);
    assert.equal(Number(`0x${shown()}`) & IN.ALL_EVENTS, IN.DELETE);
    yield* inotify.addWatch(directory, IN.CREATE | IN.MASK_ADD);
    assert.equal(Number(`0x${shown()}`) & IN.ALL_EVENTS, IN.CREATE | IN.DELETE);
    assert.equal(yield* errnoOf(inotify.addWatch(directory, IN.OPEN | IN.MASK_CREATE)), "EEXIST");
  });

  it("takes one event with ONESHOT, which is the sign bit", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* Effect.flatMap(local, nonBlocking);
    const wd = yield* inotify.addWatch(directory, IN.CREATE | IN.ONESHOT);
    writeFileSync(`${directory}/one`, "");
    writeFileSync(`${directory}/two`, "");
    assert.deepEqual(about(yield* inotify.readEvents()), [
      [wd, IN.CREATE, "one"],
      [wd, IN.IGNORED, undefined],
    ]);
  });

  it("tells the end of a file that is deleted", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* Effect.flatMap(local, nonBlocking);
    writeFileSync(`${directory}/file`, "");
    const wd = yield* inotify.addWatch(`${directory}/file`, IN.DELETE_SELF);
    rmSync(`${directory}/file`);
    assert.deepEqual(about(yield* inotify.readEvents()), [
      [wd, IN.DELETE_SELF, undefined],
      [wd, IN.IGNORED, undefined],
    ]);
  });

  it("refuses what cannot be watched", function* () {
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/file`, "");
    const inotify = yield* Effect.flatMap(local, nonBlocking);
    const watching = (path: string, mask: number) => errnoOf(inotify.addWatch(path, mask));
    assert.equal(yield* watching(`${directory}/missing`, IN.OPEN), "ENOENT");
    assert.equal(yield* watching(`${directory}/file`, IN.OPEN | IN.ONLYDIR), "ENOTDIR");
    assert.equal(yield* watching(`${directory}\0`, IN.OPEN), "InvalidArgumentError");
    assert.equal(yield* watching(directory, 0), "EINVAL");
    const wd = yield* inotify.addWatch(directory, IN.CREATE);
    assert.equal(yield* errnoOf(inotify.rmWatch(2 ** 32 + wd)), "InvalidArgumentError");
    writeFileSync(`${directory}/new`, "");
    assert.equal(yield* errnoOf(inotify.readEvents(16)), "EINVAL");
    assert.equal((yield* inotify.readEvents()).length, 1);
  });
});
