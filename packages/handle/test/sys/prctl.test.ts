import { readFileSync, statSync } from "node:fs";
import { CAP, SIG } from "@rsyscall/abi";
import { it, launchStub, notRoot } from "@rsyscall/harness";
import type { SyscallFailure } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { capget, capset, prctl, setresuid } from "../../src/index.ts";
import { bitsOf, statusOf } from "../procStatus.ts";

const NOBODY = 65534;

const nobody = { real: NOBODY, effective: NOBODY, saved: NOBODY };

const refused = <A>(call: Effect.Effect<A, unknown>) =>
  Effect.map(Effect.flip(call as Effect.Effect<A, SyscallFailure>), (error) => error.message);

describe("prctl.setName", () => {
  const comm = (pid: number) => readFileSync(`/proc/${pid}/comm`);

  it("gives the task a name, of any 15 bytes", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    for (const name of ["x", "", "fifteen bytes..", "\udcff\udcfe é"]) {
      yield* prctl.setName(task, name);
      assert.equal(yield* prctl.getName(task), name);
    }
    assert.deepEqual([...comm(call.pid)], [0xff, 0xfe, 0x20, 0xc3, 0xa9, 0x0a]);
  });

  it("does not cut what is too long", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    yield* prctl.setName(task, "before");
    for (const name of ["sixteen bytes...", "é".repeat(8), "nul\0"]) {
      const error = yield* refused(prctl.setName(task, name));
      assert.match(error, /^prctl: name is .*, and must be /);
    }
    assert.equal(comm(call.pid).toString(), "before\n");
  });
});

describe("prctl", () => {
  it("has the signal at the parent's death", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    for (const signal of [SIG.TERM, SIG.RTMAX, 0]) {
      yield* prctl.setPdeathsig(task, signal);
      assert.equal(yield* prctl.getPdeathsig(task), signal);
    }
    for (const signal of [65, -1, Number.NaN])
      assert.match(
        yield* refused(prctl.setPdeathsig(task, signal)),
        /^prctl(: PR_SET_PDEATHSIG is .*, and must be |\(PR_SET_PDEATHSIG\): EINVAL)/,
      );
  });

  it("sets no_new_privs for good, in that process alone", function* () {
    const { task: ours } = yield* LocalThread;
    const { call } = yield* launchStub;
    const { task } = call.thread;
    assert.isFalse(yield* prctl.getNoNewPrivs(task));
    yield* prctl.setNoNewPrivs(task);
    assert.equal(statusOf(call.pid, "NoNewPrivs"), "1");
    assert.isTrue(yield* prctl.getNoNewPrivs(task));
    assert.isFalse(yield* prctl.getNoNewPrivs(ours));
  });

  it.skipIf(notRoot)("makes a process dumpable, as its files show", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const owner = () => statSync(`/proc/${call.pid}/stat`).uid;
    assert.equal(yield* prctl.getDumpable(task), 1);
    yield* setresuid(task, nobody);
    assert.equal(
      yield* prctl.getDumpable(task),
      Number(readFileSync("/proc/sys/fs/suid_dumpable", "utf8")),
    );
    assert.equal(owner(), 0);
    yield* prctl.setDumpable(task, 1);
    assert.equal(owner(), NOBODY);
    assert.equal(yield* prctl.getDumpable(task), 1);
    yield* prctl.setDumpable(task, 0);
    assert.equal(owner(), 0);
    assert.equal(yield* prctl.getDumpable(task), 0);
    assert.include(yield* refused(prctl.setDumpable(task, 2)), "prctl(PR_SET_DUMPABLE): EINVAL");
  });

  for (const keep of [true, false])
    it.skipIf(notRoot)(
      keep ? "keeps the permitted capabilities" : "drops them without that",
      function* () {
        const { call } = yield* launchStub;
        const { task } = call.thread;
        const { permitted } = yield* capget(task);
        assert.isFalse(yield* prctl.getKeepcaps(task));
        yield* prctl.setKeepcaps(task, true);
        assert.isTrue(yield* prctl.getKeepcaps(task));
        yield* prctl.setKeepcaps(task, keep);
        yield* setresuid(task, nobody);
        assert.deepEqual(bitsOf(call.pid, "CapPrm", 0), keep ? [...permitted] : []);
        assert.deepEqual(bitsOf(call.pid, "CapEff", 0), []);
      },
    );

  it("makes a process the reaper of its descendants, or not", function* () {
    const { task: ours } = yield* LocalThread;
    const { call } = yield* launchStub;
    const { task } = call.thread;
    assert.isFalse(yield* prctl.getChildSubreaper(task));
    yield* prctl.setChildSubreaper(task, true);
    assert.isTrue(yield* prctl.getChildSubreaper(task));
    assert.isFalse(yield* prctl.getChildSubreaper(ours));
    yield* prctl.setChildSubreaper(task, false);
    assert.isFalse(yield* prctl.getChildSubreaper(task));
  });

  it.skipIf(notRoot)("drops capabilities from the bounding set", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const before = bitsOf(call.pid, "CapBnd", 0);
    for (const capability of Object.values(CAP))
      assert.equal(yield* prctl.capbsetRead(task, capability), before.includes(capability));
    yield* prctl.capbsetDrop(task, CAP.BPF);
    yield* prctl.capbsetDrop(task, CAP.KILL);
    const left = before.filter((capability) => capability !== CAP.BPF && capability !== CAP.KILL);
    assert.deepEqual(bitsOf(call.pid, "CapBnd", 0), left);
    assert.isFalse(yield* prctl.capbsetRead(task, CAP.BPF));
    for (const capability of [63, -1, 2 ** 32, Number.NaN])
      assert.match(
        yield* refused(prctl.capbsetRead(task, capability)),
        /^prctl(: PR_CAPBSET_READ is .*, and must be |\(PR_CAPBSET_READ\): EINVAL)/,
      );
  });

  it.skipIf(notRoot)("raises and lowers ambient capabilities", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const shown = () => bitsOf(call.pid, "CapAmb", 0);
    assert.include(
      yield* refused(prctl.capAmbientRaise(task, CAP.KILL)),
      "prctl(PR_CAP_AMBIENT): EPERM",
    );
    const inheritable = new Set([CAP.CHOWN, CAP.KILL, CAP.BPF]);
    yield* capset(task, { ...(yield* capget(task)), inheritable });
    for (const capability of inheritable) yield* prctl.capAmbientRaise(task, capability);
    assert.deepEqual(shown(), [CAP.CHOWN, CAP.KILL, CAP.BPF]);
    yield* prctl.capAmbientLower(task, CAP.KILL);
    assert.deepEqual(shown(), [CAP.CHOWN, CAP.BPF]);
    assert.isTrue(yield* prctl.capAmbientIsSet(task, CAP.BPF));
    assert.isFalse(yield* prctl.capAmbientIsSet(task, CAP.KILL));
    for (const capability of [2 ** 32, 0.5, Number.NaN])
      assert.match(
        yield* refused(prctl.capAmbientLower(task, capability)),
        /^prctl(: PR_CAP_AMBIENT is .*, and must be |\(PR_CAP_AMBIENT\): EINVAL)/,
      );
    assert.deepEqual(shown(), [CAP.CHOWN, CAP.BPF]);
    yield* prctl.capAmbientClearAll(task);
    assert.deepEqual(shown(), []);
  });
});
