import { SshTask } from "@rsyscall/task-ssh";
import { Command, LocalThread } from "@rsyscall/thread";
import { assert } from "vitest";
import { describeUnless, it } from "../../../tests/harness/index.ts";
import { noSshd, startSshd } from "../../../tests/harness/sshd.ts";

describeUnless(noSshd, "a task on a host", () => {
  it("works", function* () {
    const local = yield* LocalThread;
    const { options } = yield* startSshd();
    const { thread } = yield* SshTask.launch(local, "127.0.0.1", { options });
    assert.match(thread.environ.get("SSH_CONNECTION") ?? "", /127\.0\.0\.1/);
    assert.match(new TextDecoder().decode(yield* thread.slurp("/proc/self/stat")), /rsyscall-task/);
    const state = yield* thread.run(Command.make("/bin/sh", "-c", "exit 7"));
    assert.equal(state.exitStatus, 7);
  });
});
