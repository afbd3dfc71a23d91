import { it, launchStub } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { schedGetaffinity, schedSetaffinity } from "../src/index.ts";
import { statusOf } from "./procStatus.ts";

/** The CPUs of "0-3,7". */
const shown = (pid: number): Array<number> =>
  statusOf(pid, "Cpus_allowed_list")
    .split(",")
    .flatMap((range) => {
      const [first = 0, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });

describe("affinity", () => {
  it("is that of the task which is asked, or asked about", function* () {
    const { task: ours } = yield* LocalThread;
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const all = shown(call.pid);
    const last = all.at(-1) as number;
    assert.deepEqual([...(yield* schedGetaffinity(task))], all);
    yield* schedSetaffinity(task, 0, new Set([last]));
    assert.deepEqual(shown(call.pid), [last]);
    assert.deepEqual([...(yield* schedGetaffinity(task))], [last]);
    assert.deepEqual([...(yield* schedGetaffinity(ours, call.pid))], [last]);
    assert.deepEqual([...(yield* schedGetaffinity(ours))], shown(process.pid));
    yield* schedSetaffinity(ours, call.pid, new Set(all));
    assert.deepEqual(shown(call.pid), all);
  });

  it("passes over CPUs that are not there, up to the greatest number", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const [first = 0] = shown(call.pid);
    yield* schedSetaffinity(task, 0, new Set([first, 8191]));
    assert.deepEqual(shown(call.pid), [first]);
    assert.deepEqual([...(yield* schedGetaffinity(task))], [first]);
  });

  it("is never empty", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const before = shown(call.pid);
    for (const cpus of [[], [8191], [8192], [-1], [0, 0.5], [Number.NaN]]) {
      const error = yield* Effect.flip(schedSetaffinity(task, 0, new Set(cpus)));
      assert.match(
        error.message,
        /^sched_setaffinity(\(pid 0\): EINVAL|: cpus is .* is not a CPU\)$)/,
      );
    }
    assert.deepEqual(shown(call.pid), before);
  });

  it("is not that of another task when the pid is none", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const nobody = 2 ** 22 + 1;
    for (const use of [
      schedGetaffinity(task, nobody),
      schedSetaffinity(task, nobody, new Set([0])),
    ])
      assert.include(
        (yield* Effect.flip<unknown, { message: string }, never>(use)).message,
        "ESRCH",
      );
    for (const use of [
      schedGetaffinity(task, 2 ** 32),
      schedSetaffinity(task, 2 ** 32, new Set([0])),
    ])
      assert.include(
        (yield* Effect.flip<unknown, { message: string }, never>(use)).message,
        ": pid is 4294967296, and must be",
      );
  });
});
