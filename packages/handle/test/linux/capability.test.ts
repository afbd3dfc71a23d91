import { CAP } from "@rsyscall/abi";
import { it, launchStub, notRoot } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { capget, capset } from "../../src/index.ts";
import { bitsOf } from "../procStatus.ts";

const shown = (pid: number) => ({
  effective: new Set(bitsOf(pid, "CapEff", 0)),
  permitted: new Set(bitsOf(pid, "CapPrm", 0)),
  inheritable: new Set(bitsOf(pid, "CapInh", 0)),
});

describe("capabilities", () => {
  it("are those of the task which is asked, or asked about", function* () {
    const { task } = yield* LocalThread;
    assert.deepEqual(yield* capget(task), shown(process.pid));
    const { call } = yield* launchStub;
    assert.deepEqual(yield* capget(call.thread.task), shown(call.pid));
  });

  it.skipIf(notRoot)("are set, three sets of 64, and do not come back", function* () {
    const { task: ours } = yield* LocalThread;
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const before = shown(process.pid);
    const sets = {
      effective: new Set([CAP.CHOWN, CAP.SETFCAP, CAP.MAC_OVERRIDE]),
      permitted: new Set([CAP.CHOWN, CAP.KILL, CAP.SETFCAP, CAP.MAC_OVERRIDE, CAP.BPF]),
      inheritable: new Set([CAP.KILL, CAP.BPF]),
    };
    yield* capset(task, sets);
    assert.deepEqual(shown(call.pid), sets);
    assert.deepEqual(yield* capget(task), sets);
    assert.deepEqual(yield* capget(ours, call.pid), sets);
    const again = { ...sets, permitted: new Set([...sets.permitted, CAP.SETUID]) };
    assert.include((yield* Effect.flip(capset(task, again))).message, "capset: EPERM");
    assert.deepEqual(shown(call.pid), sets);
    // The kernel does not know this one, yet.
    yield* capset(task, { ...sets, effective: new Set([CAP.BPF, 63]) });
    assert.deepEqual((yield* capget(task)).effective, new Set([CAP.BPF]));
    assert.deepEqual(shown(process.pid), before);
  });

  it("are refused when they are none", function* () {
    const { task } = yield* LocalThread;
    const before = shown(process.pid);
    for (const capability of [-1, 64, 0.5, Number.NaN]) {
      const effective = new Set([...before.effective, capability]);
      const error = yield* Effect.flip(capset(task, { ...before, effective }));
      assert.match(error.message, /^capset: capabilities is .* is not a capability\)$/);
    }
    for (const [pid, problem] of [
      [2 ** 22 + 1, "(pid 4194305): ESRCH"],
      [2 ** 32, "pid is 4294967296, and must be"],
      [-1, "(pid -1): EINVAL"],
    ] as const)
      assert.include((yield* Effect.flip(capget(task, pid))).message, problem);
  });
});
