import { chmodSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SIG } from "@rsyscall/abi";
import { Pidfd } from "@rsyscall/handle";
import {
  describeUnless,
  hasEnded,
  it,
  launchStub,
  missing,
  notRoot,
  start,
  tempDirectory,
} from "@rsyscall/harness";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { descends } from "../../packages/thread/src/descent.ts";

const at = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

describeUnless(missing("python3"), "a client that names another process as its child", () => {
  for (const [user, uid, skip] of [
    ["of the same user", [], undefined],
    ["of another user", ["65534"], notRoot],
  ] as const)
    it.skipIf(skip)(`${user} does not have it killed, nor the controller`, function* () {
      const directory = yield* tempDirectory;
      chmodSync(directory, 0o755);
      const controller = yield* start(process.execPath, [at("deputy.mjs"), directory]);
      yield* controller.line((line) => line === "ready");
      for (const victim of ["another", "controller"]) {
        const bystander = yield* start("/bin/sleep", ["1000"]);
        const named = victim === "another" ? String(bystander.pid) : victim;
        const client = yield* start("python3", [
          at("deputy.py"),
          `${directory}/stub.sock`,
          named,
          ...uid,
        ]);
        // The controller was made to wait for a process that does not end, and to kill it.
        yield* Effect.sleep(1500);
        assert.isFalse(hasEnded(bystander.pid), "the bystander");
        assert.isFalse(hasEnded(controller.pid), "the controller");
        yield* client.kill("SIGKILL");
        yield* client.ended;
      }
      // The controller still serves.
      const { status } = yield* (yield* start(`${directory}/stub`)).ended;
      assert.equal(status, 0);
    });
});

describe("processes that the controller signals itself", () => {
  it("descend from the peer and belong to its user; the controller is none of them", function* () {
    const { task } = yield* LocalThread;
    const { call } = yield* launchStub;
    const child = yield* call.thread.fork();
    const program = yield* child.spawn(Command.make("/bin/sleep", "1000"));
    const bystander = yield* start("/bin/sleep", ["1000"]);
    const { pid, uid } = call.peer;
    const isGone = () => false;
    const peer = { pid, uid, isGone };
    const ask = (target: number, ancestor: Parameters<typeof descends>[2] = peer) =>
      Effect.scoped(
        Effect.flatMap(Pidfd.make(task, target), (pidfd) => descends(task, pidfd, ancestor)),
      );
    assert.isTrue(yield* ask(child.process.pid));
    assert.isTrue(yield* ask(program.pid));
    assert.isFalse(yield* ask(pid), "itself");
    assert.isFalse(yield* ask(bystander.pid), "a child of ours");
    assert.isFalse(yield* ask(1), "what is above");
    assert.isFalse(yield* ask(process.pid, { ...peer, pid: process.ppid }), "ourselves");
    assert.isFalse(yield* ask(program.pid, { ...peer, uid: 4711 }), "what its user may not signal");
    assert.isTrue(yield* ask(program.pid, { ...peer, uid: undefined }));
    assert.isFalse(yield* ask(program.pid, { ...peer, isGone: () => true }));
    yield* program.kill(SIG.KILL);
    assert.equal((yield* program.wait()).signal, SIG.KILL);
  });
});
