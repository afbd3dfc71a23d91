import { CLONE, SIG } from "@rsyscall/abi";
import { it, launchStub, noNamespaces, notRoot } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import type { Effect } from "effect";
import { assert, describe } from "vitest";
import {
  NamespaceFd,
  prctl,
  setgid,
  setns,
  setregid,
  setresgid,
  setresuid,
  setreuid,
  setuid,
  type Task,
  unshareUser,
} from "../src/index.ts";

const other = 65534;

const changes: Record<string, (task: Task) => Effect.Effect<void, unknown>> = {
  setuid: (task) => setuid(task, other),
  setgid: (task) => setgid(task, other),
  setresuid: (task) => setresuid(task, { effective: other }),
  setresgid: (task) => setresgid(task, { effective: other }),
  setreuid: (task) => setreuid(task, { real: other, effective: other }),
  setregid: (task) => setregid(task, { real: other, effective: other }),
};

describe("the parent-death signal", () => {
  for (const [name, change] of Object.entries(changes))
    it.skipIf(notRoot)(`stays behind ${name}, whatever it is`, function* () {
      const thread = yield* LocalThread;
      const child = yield* thread.fork();
      assert.equal(yield* prctl.getPdeathsig(child.task), SIG.KILL);
      yield* change(child.task);
      assert.equal(yield* prctl.getPdeathsig(child.task), SIG.KILL);
      for (const signal of [SIG.TERM, 0]) {
        const next = yield* thread.fork();
        yield* prctl.setPdeathsig(next.task, signal);
        yield* change(next.task);
        assert.equal(yield* prctl.getPdeathsig(next.task), signal);
      }
      // A stub is its caller's, and had none.
      const { call } = yield* launchStub;
      yield* change(call.thread.task);
      assert.equal(yield* prctl.getPdeathsig(call.thread.task), 0);
    });

  it.skipIf(noNamespaces)("stays in another user namespace", function* () {
    const thread = yield* LocalThread;
    const unsharing = yield* thread.fork();
    yield* unshareUser(unsharing.task);
    assert.equal(yield* prctl.getPdeathsig(unsharing.task), SIG.KILL);
    const joining = yield* thread.fork();
    const fd = yield* NamespaceFd.make(joining.task, "user", unsharing.process.pid);
    yield* setns(joining.task, fd, CLONE.NEWUSER);
    assert.equal(yield* prctl.getPdeathsig(joining.task), SIG.KILL);
  });
});
