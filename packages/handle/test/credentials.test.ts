import { readFileSync } from "node:fs";
import { it, launchStub, notRoot } from "@rsyscall/harness";
import type { SyscallError, SyscallFailure } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import {
  getegid,
  geteuid,
  getgid,
  getgroups,
  getpgid,
  getpgrp,
  getpid,
  getppid,
  getresgid,
  getresuid,
  getsid,
  gettid,
  getuid,
  setgid,
  setgroups,
  setpgid,
  setregid,
  setresgid,
  setresuid,
  setreuid,
  setsid,
  setuid,
  type Task,
} from "../src/index.ts";
import { numbersOf } from "./procStatus.ts";

const NOBODY = 65534;

/** The most that an id can be: one more is -1, which is none. */
const GREATEST = 2 ** 32 - 2;

/** Effective, saved: as the kernel shows it, without the file system's id. */
const uids = (task: Task) => numbersOf(task.pid, "Uid").slice(0, 3);
const gids = (task: Task) => numbersOf(task.pid, "Gid").slice(0, 3);

/** Of /proc/PID/stat: parent, process group, session. */
const family = (pid: number): ReadonlyArray<number> => {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text
    .slice(text.lastIndexOf(")") + 4)
    .split(" ", 3)
    .map(Number);
};

const refused = <A>(call: Effect.Effect<A, unknown>) =>
  Effect.map(Effect.flip(call as Effect.Effect<A, SyscallFailure>), (error) => ({
    syscall: error.syscall,
    errno: (error as SyscallError).errno,
  }));

describe("ids", () => {
  it("are those of the process that is asked", function* () {
    const { task } = yield* LocalThread;
    assert.equal(yield* getpid(task), process.pid);
    assert.equal(yield* gettid(task), process.pid);
    assert.equal(yield* getppid(task), process.ppid);
    assert.equal(yield* getuid(task), process.getuid?.());
    assert.equal(yield* geteuid(task), process.geteuid?.());
    assert.equal(yield* getgid(task), process.getgid?.());
    assert.equal(yield* getegid(task), process.getegid?.());
    assert.deepEqual(yield* getgroups(task), numbersOf(process.pid, "Groups"));
    const { call } = yield* launchStub;
    assert.equal(yield* getpid(call.thread.task), call.pid);
    assert.equal(yield* getppid(call.thread.task), process.pid);
  });

  it.skipIf(notRoot)("of users are set one by one, and all are told apart", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    yield* setresuid(task, { real: 1001, effective: 0, saved: GREATEST });
    assert.deepEqual(uids(task), [1001, 0, GREATEST]);
    assert.deepEqual(yield* getresuid(task), { real: 1001, effective: 0, saved: GREATEST });
    yield* setresuid(task, { effective: GREATEST });
    assert.deepEqual(uids(task), [1001, GREATEST, GREATEST]);
    assert.equal(yield* getuid(task), 1001);
    assert.equal(yield* geteuid(task), GREATEST);
    // Nobody's privileges are left.
    assert.deepEqual(yield* refused(setresuid(task, { real: 0 })), {
      syscall: "setresuid",
      errno: "EPERM",
    });
    yield* setresuid(task, {});
    assert.deepEqual(uids(task), [1001, GREATEST, GREATEST]);
    assert.equal(process.getuid?.(), 0);
  });

  it.skipIf(notRoot)("of groups are set one by one, and all are told apart", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    yield* setresgid(task, { real: 2001, effective: 2002, saved: GREATEST });
    assert.deepEqual(gids(task), [2001, 2002, GREATEST]);
    const ids = yield* getresgid(task);
    assert.deepEqual(ids, { real: 2001, effective: 2002, saved: GREATEST });
    assert.equal(yield* getgid(task), 2001);
    assert.equal(yield* getegid(task), 2002);
    yield* setresgid(task, { saved: 2003 });
    assert.deepEqual(gids(task), [2001, 2002, 2003]);
    yield* setresgid(task, ids);
    assert.deepEqual(gids(task), [2001, 2002, GREATEST]);
    assert.deepEqual(uids(task), [0, 0, 0]);
  });

  it.skipIf(notRoot)("are all set by setuid and setgid, with the privilege", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    yield* setgid(task, 2005);
    yield* setuid(task, NOBODY);
    assert.deepEqual(gids(task), [2005, 2005, 2005]);
    assert.deepEqual(uids(task), [NOBODY, NOBODY, NOBODY]);
    assert.deepEqual(yield* refused(setuid(task, 0)), { syscall: "setuid", errno: "EPERM" });
    assert.deepEqual(yield* refused(setgid(task, 0)), { syscall: "setgid", errno: "EPERM" });
  });

  it.skipIf(notRoot)("are set in pairs, and the saved one follows", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    yield* setregid(task, { effective: 2007 });
    assert.deepEqual(gids(task), [0, 2007, 2007]);
    yield* setregid(task, { real: 2008 });
    assert.deepEqual(gids(task), [2008, 2007, 2007]);
    yield* setreuid(task, { real: 1007 });
    assert.deepEqual(uids(task), [1007, 0, 0]);
    yield* setreuid(task, { effective: 1008 });
    assert.deepEqual(uids(task), [1007, 1008, 1008]);
  });

  it.skipIf(notRoot)("that do not fit are refused, and not cut to root's", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    yield* setresgid(task, { real: 9, effective: 9, saved: 9 });
    yield* setresuid(task, { real: 8, saved: 8 });
    for (const id of [2 ** 32, 2 ** 32 - 1, -1, 1.5, Number.NaN])
      for (const call of [
        setuid(task, id),
        setgid(task, id),
        setresuid(task, { real: id }),
        setresuid(task, { effective: id }),
        setresuid(task, { saved: id }),
        setresgid(task, { real: id }),
        setresgid(task, { effective: id }),
        setresgid(task, { saved: id }),
        setreuid(task, { real: id }),
        setreuid(task, { effective: id }),
        setregid(task, { real: id }),
        setregid(task, { effective: id }),
        setgroups(task, [1, id]),
      ])
        assert.equal((yield* Effect.flip(call))._tag, "InvalidArgumentError", String(id));
    assert.deepEqual(uids(task), [8, 0, 8]);
    assert.deepEqual(gids(task), [9, 9, 9]);
  });
});

describe("setgroups", () => {
  it.skipIf(notRoot)("sets as many groups as a task can have, and no more", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const most = Array.from({ length: 65536 }, (_, i) => 100_000 + i);
    for (const groups of [[7, GREATEST, 5], [], most]) {
      yield* setgroups(task, groups);
      const sorted = [...groups].sort((a, b) => a - b);
      assert.deepEqual(numbersOf(task.pid, "Groups"), sorted);
      assert.deepEqual(yield* getgroups(task), sorted);
    }
    const error = yield* refused(setgroups(task, [...most, 1]));
    assert.deepEqual(error, { syscall: "setgroups", errno: "EINVAL" });
    assert.equal((yield* getgroups(task)).length, 65536);
  });
});

describe("sessions and process groups", () => {
  it("are those of the process that is asked, or asked about", function* () {
    const { task } = yield* LocalThread;
    const [, pgrp, session] = family(process.pid);
    assert.equal(yield* getpgrp(task), pgrp);
    assert.equal(yield* getpgid(task), pgrp);
    assert.equal(yield* getsid(task), session);
    const { call } = yield* launchStub;
    yield* setsid(call.thread.task);
    assert.equal(yield* getpgid(task, call.pid), call.pid);
    assert.equal(yield* getsid(task, call.pid), call.pid);
    assert.equal(yield* getpgid(task), pgrp);
    assert.equal(yield* getsid(task), session);
  });

  it("are made by setsid, once", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    assert.equal(yield* setsid(task), call.pid);
    assert.deepEqual(family(call.pid), [process.pid, call.pid, call.pid]);
    assert.deepEqual(yield* refused(setsid(task)), { syscall: "setsid", errno: "EPERM" });
  });

  it("are left and joined by setpgid", function* () {
    const { task: ours } = yield* LocalThread;
    const group = yield* getpgrp(ours);
    const { call } = yield* launchStub;
    const { task } = call.thread;
    yield* setpgid(task, 0, 0);
    assert.equal(family(call.pid)[1], call.pid);
    assert.equal(yield* getpgrp(task), call.pid);
    yield* setpgid(task, call.pid, group);
    assert.equal(family(call.pid)[1], group);
    // It has exec'd since.
    const late = yield* refused(setpgid(ours, call.pid, 0));
    assert.deepEqual(late, { syscall: "setpgid", errno: "EACCES" });
    assert.equal((yield* refused(setpgid(task, process.pid, 0))).errno, "ESRCH");
  });

  it("of a number that is no pid are not those of another process", function* () {
    const { task } = yield* LocalThread;
    for (const pid of [2 ** 32, 2 ** 31, 0.5, Number.NaN])
      for (const call of [getpgid(task, pid), getsid(task, pid), setpgid(task, pid, 0)])
        assert.equal(
          (yield* Effect.flip<unknown, SyscallFailure, never>(call))._tag,
          "InvalidArgumentError",
        );
    assert.equal((yield* refused(getpgid(task, 2 ** 22 + 1))).errno, "ESRCH");
  });
});
