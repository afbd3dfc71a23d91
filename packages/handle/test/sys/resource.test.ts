import { readFileSync } from "node:fs";
import { PRIO, RLIM_INFINITY, RLIMIT } from "@rsyscall/abi";
import { it, launchStub, notRoot } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import {
  getpriority,
  getrlimit,
  prlimit,
  setpriority,
  setresuid,
  setrlimit,
  setsid,
} from "../../src/index.ts";

/** The words by which /proc/PID/limits calls them. */
const names: Readonly<Record<keyof typeof RLIMIT, string>> = {
  CPU: "Max cpu time",
  FSIZE: "Max file size",
  DATA: "Max data size",
  STACK: "Max stack size",
  CORE: "Max core file size",
  RSS: "Max resident set",
  NPROC: "Max processes",
  NOFILE: "Max open files",
  MEMLOCK: "Max locked memory",
  AS: "Max address space",
  LOCKS: "Max file locks",
  SIGPENDING: "Max pending signals",
  MSGQUEUE: "Max msgqueue size",
  NICE: "Max nice priority",
  RTPRIO: "Max realtime priority",
  RTTIME: "Max realtime timeout",
};

/** Soft and hard limit, as the kernel shows them. */
const shown = (pid: number, name: string) => {
  const text = readFileSync(`/proc/${pid}/limits`, "latin1");
  const [, cur, max] = new RegExp(`^${name} +(\\w+) +(\\w+)`, "m").exec(text) ?? [];
  const value = (word = "") => (word === "unlimited" ? RLIM_INFINITY : BigInt(word));
  return { cur: value(cur), max: value(max) };
};

const resources = Object.entries(RLIMIT) as Array<[keyof typeof RLIMIT, number]>;

const TEBIBYTE = 2n ** 40n;

/** A limit that is lower than what there is, and not what another resource gets. */
const lower = (resource: number, { max }: { readonly max: bigint }) => {
  const most = max < TEBIBYTE ? max : TEBIBYTE + BigInt(resource);
  return { cur: most === 0n ? 0n : most - 1n, max: most };
};

describe("limits", () => {
  for (const [name, resource] of resources)
    it(`of ${name} are read and set in the process that is meant`, function* () {
      const { task: ours } = yield* LocalThread;
      const { call } = yield* launchStub;
      const { task } = call.thread;
      const before = shown(call.pid, names[name]);
      assert.deepEqual(yield* getrlimit(task, resource), before);
      assert.deepEqual(yield* getrlimit(ours, resource), shown(process.pid, names[name]));
      const set = lower(resource, before);
      assert.deepEqual(yield* setrlimit(task, resource, set), before);
      assert.deepEqual(shown(call.pid, names[name]), set);
      // By its pid, from here.
      const soft = { cur: 0n, max: set.max };
      if (name !== "CPU") {
        assert.deepEqual(yield* prlimit(ours, call.pid, resource, soft), set);
        assert.deepEqual(shown(call.pid, names[name]), soft);
        assert.deepEqual(yield* prlimit(ours, call.pid, resource), soft);
      }
    });

  it("are exact, and whole numbers are as good as bigints", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const { max } = yield* getrlimit(task, RLIMIT.FSIZE);
    assert.equal(max, RLIM_INFINITY);
    for (const cur of [0, 4096, 2 ** 40, 2n ** 53n + 1n, 2n ** 64n - 2n, RLIM_INFINITY]) {
      yield* setrlimit(task, RLIMIT.FSIZE, { cur, max });
      assert.deepEqual(shown(call.pid, names.FSIZE), { cur: BigInt(cur), max });
      assert.deepEqual(yield* getrlimit(task, RLIMIT.FSIZE), { cur: BigInt(cur), max });
    }
  });

  it("that are none are refused, and nothing changes", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const before = yield* getrlimit(task, RLIMIT.AS);
    for (const cur of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, -1n, 2n ** 64n]) {
      const error = yield* Effect.flip(setrlimit(task, RLIMIT.AS, { cur, max: RLIM_INFINITY }));
      assert.match(error.message, /^prlimit64: limit is .*, and must be two limits/);
    }
    for (const wrong of [
      setrlimit(task, RLIMIT.AS, { cur: 2, max: 1 }),
      getrlimit(task, 16),
      getrlimit(task, 2 ** 32),
      prlimit(task, 2 ** 32, RLIMIT.AS),
    ])
      assert.match((yield* Effect.flip(wrong)).message, /EINVAL|, and must be a/);
    assert.include((yield* Effect.flip(prlimit(task, 2 ** 22 + 1, RLIMIT.AS))).message, "ESRCH");
    assert.deepEqual(yield* getrlimit(task, RLIMIT.AS), before);
  });
});

/** The nice value in /proc/PID/stat. */
const nice = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[16]);
};

describe("priority", () => {
  it.skipIf(notRoot)("has every nice value, -1 too", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    for (let value = -20; value <= 19; value++) {
      yield* setpriority(task, PRIO.PROCESS, 0, value);
      assert.equal(nice(call.pid), value);
      assert.equal(yield* getpriority(task, PRIO.PROCESS, 0), value);
    }
    assert.notEqual(nice(process.pid), 19);
  });

  it("is cut to what there is", function* () {
    const { call } = yield* launchStub;
    yield* setpriority(call.thread.task, PRIO.PROCESS, 0, 1000);
    assert.equal(nice(call.pid), 19);
  });

  it.skipIf(notRoot)("is that of a process, a group or a user, by any id", function* () {
    const { task: ours } = yield* LocalThread;
    const { call } = yield* launchStub;
    const before = nice(process.pid);
    const uid = 2 ** 32 - 2 - process.pid;
    yield* setsid(call.thread.task);
    yield* setresuid(call.thread.task, { real: uid, effective: uid, saved: uid });
    const all = [
      [PRIO.PROCESS, call.pid, 3],
      [PRIO.PGRP, call.pid, 5],
      [PRIO.USER, uid, 7],
    ] as const;
    for (const [which, who, value] of all) {
      yield* setpriority(ours, which, who, value);
      assert.equal(nice(call.pid), value);
      assert.equal(yield* getpriority(ours, which, who), value);
    }
    assert.equal(nice(process.pid), before);
  });

  it("is refused for nobody, and for what is no id", function* () {
    const { task } = yield* LocalThread;
    const nobody = [
      getpriority(task, PRIO.PROCESS, 2 ** 22 + 1),
      setpriority(task, PRIO.PROCESS, 2 ** 22 + 1, 0),
    ];
    for (const call of nobody) assert.include((yield* Effect.flip(call)).message, "ESRCH");
    const wrong = [
      getpriority(task, 3, 0),
      getpriority(task, PRIO.PROCESS, 2 ** 32),
      setpriority(task, PRIO.PROCESS, 2 ** 32, 19),
      setpriority(task, PRIO.PROCESS, 2 ** 22 + 1, 0.5),
    ];
    for (const call of wrong)
      assert.match((yield* Effect.flip(call)).message, /EINVAL|, and must be a/);
  });
});
