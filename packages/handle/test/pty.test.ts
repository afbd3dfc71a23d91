import { readFileSync, readlinkSync } from "node:fs";
import { F, FD, O } from "@rsyscall/abi";
import { it, launchStub } from "@rsyscall/harness";
import { Pid } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import {
  getsid,
  type HandleFailure,
  loginTty,
  open,
  openpty,
  PtyMaster,
  pipe,
  setsid,
  Terminal,
} from "../src/index.ts";

const stub = Effect.map(launchStub, ({ call }) => call.thread);

const errnoOf = (effect: Effect.Effect<unknown, HandleFailure>) =>
  Effect.map(Effect.flip(effect), (error) => ("errno" in error ? error.errno : error._tag));

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("a pseudo-terminal", () => {
  for (const [where, thread] of [
    ["here", LocalThread],
    ["in a stub", stub],
  ] as const) {
    it(`${where}, has two ends and a window`, function* () {
      const { task } = yield* thread;
      const size = { rows: 24, columns: 80, width: 640, height: 65535 };
      const [master, terminal] = yield* openpty(task, size);
      for (const end of [master, terminal]) assert.equal(yield* end.fcntl(F.GETFD), FD.CLOEXEC);
      assert.equal(
        readlinkSync(`/proc/${task.pid}/fd/${terminal.near}`),
        (yield* master.ptsname()).text,
      );
      assert.deepEqual(yield* terminal.winsize(), size);
      yield* terminal.setWinsize({ ...size, rows: 50 });
      assert.equal((yield* master.winsize()).rows, 50);
      yield* terminal.writeAllText("told\n");
      assert.equal(text(yield* master.readBytes()), "told\r\n");
      yield* master.writeAllText("typed\n");
      assert.equal(text(yield* terminal.readBytes()), "typed\n");
      assert.equal(text(yield* master.readBytes()), "typed\r\n");
    });

    it(`${where}, ends when nobody has the other end, until it is opened again`, function* () {
      const { task } = yield* thread;
      const [master, terminal] = yield* openpty(task);
      yield* terminal.writeAllText("last");
      yield* terminal.close();
      assert.equal(text(yield* master.readBytes()), "last");
      assert.lengthOf(yield* master.readBytes(), 0);
      const buffer = yield* task.ptr(new Uint8Array(10));
      const [used, rest] = yield* master.read(buffer);
      assert.deepEqual([used.size, rest.size], [0, 10]);
      const again = yield* open(task, yield* master.ptsname(), O.RDWR | O.NOCTTY);
      yield* again.writeAllText("more");
      assert.equal(text(yield* master.readBytes()), "more");
    });

    it(`${where}, is the terminal of programs`, function* () {
      const parent = yield* thread;
      const [master, terminal] = yield* openpty(parent.task, {
        rows: 33,
        columns: 99,
        width: 0,
        height: 0,
      });
      const child = yield* parent.fork();
      const inherited = yield* terminal.inherit(child.task);
      yield* loginTty(inherited, [child.stdin, child.stdout, child.stderr]);
      assert.equal(yield* getsid(child.task), child.task.pid);
      const script = `tty; stty size; echo to the terminal >/dev/tty
        for fd in 0 1 2; do test -t $fd && echo $fd is one; done; read line; echo "read $line"`;
      yield* child.exec(parent.environ.sh.args("-c", script));
      yield* terminal.close();
      yield* master.writeAllText("a line\n");
      const lines = (yield* parent.readTextToEof(master)).split("\r\n");
      assert.sameMembers(lines, [
        (yield* master.ptsname()).text,
        "33 99",
        "to the terminal",
        "0 is one",
        "1 is one",
        "2 is one",
        "a line",
        "read a line",
        "",
      ]);
      yield* child.process.check();
    });
  }

  it("is locked at first, and has a size of 16 bits", function* () {
    const { task } = yield* LocalThread;
    const master = yield* PtyMaster.make(task);
    assert.equal(yield* errnoOf(Effect.scoped(master.openPeer())), "EIO");
    yield* master.unlock();
    const terminal = yield* master.openPeer();
    const none = { rows: 0, columns: 0, width: 0, height: 0 };
    assert.deepEqual(yield* terminal.winsize(), none);
    for (const rows of [-1, 65536, 1.5])
      assert.equal(yield* errnoOf(terminal.setWinsize({ ...none, rows })), "InvalidArgumentError");
    assert.deepEqual(yield* terminal.winsize(), none);
  });

  it("has a group in the foreground", function* () {
    const parent = yield* LocalThread;
    const [master, terminal] = yield* openpty(parent.task);
    const child = yield* parent.fork();
    const inherited = yield* terminal.inherit(child.task);
    assert.equal(yield* errnoOf(inherited.makeControlling()), "EPERM");
    assert.equal(yield* errnoOf(inherited.foreground()), "ENOTTY");
    yield* setsid(child.task);
    yield* inherited.makeControlling();
    // tty_nr and tpgid of proc_pid_stat(5)
    const [tty, group] = readFileSync(`/proc/${child.task.pid}/stat`, "latin1")
      .replace(/.*\) /, "")
      .split(" ")
      .slice(4, 6);
    assert.notEqual(tty, "0");
    assert.equal(group, String(child.task.pid));
    assert.equal(yield* inherited.foreground(), child.task.pid);
    assert.equal(yield* master.foreground(), child.task.pid);
    yield* inherited.setForeground(child.task.pid);
    assert.equal(yield* errnoOf(inherited.setForeground(Pid(2 ** 32))), "InvalidArgumentError");
    // Another session's terminal.
    const thief = yield* parent.fork();
    const theirs = yield* terminal.inherit(thief.task);
    assert.equal(yield* errnoOf(loginTty(theirs, [])), "EPERM");
  });

  it("is nothing else", function* () {
    const { task } = yield* LocalThread;
    const [reader] = yield* pipe(task);
    const terminal = yield* reader.reclassify(Terminal);
    const messages: Array<string> = [];
    assert.equal(yield* errnoOf(terminal.winsize()), "ENOTTY");
    assert.equal(yield* errnoOf(terminal.makeControlling()), "ENOTTY");
    const [, other] = yield* openpty(task);
    for (const call of [terminal.winsize(), other.setForeground(Pid(1)), other.tcgetsid()])
      messages.push((yield* Effect.flip(call)).message.replace(/.*ENOTTY/, ""));
    assert.deepEqual(messages, [
      ": Inappropriate ioctl for device (a file of this kind does not know the request)",
      ...Array(2).fill(
        ": Inappropriate ioctl for device (the file is not the controlling terminal of the process)",
      ),
    ]);
    yield* terminal.close();
    assert.equal((yield* Effect.flip(terminal.winsize()))._tag, "UseAfterFreeError");
  });
});
