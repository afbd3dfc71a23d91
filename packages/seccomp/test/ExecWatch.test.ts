import { it } from "@rsyscall/harness";
import { type ExecEvent, ExecWatch } from "@rsyscall/seccomp";
import { Command, LocalThread } from "@rsyscall/thread";
import { assert, describe } from "vitest";

describe("ExecWatch", () => {
  it("sees what a shell runs", function* () {
    const thread = yield* LocalThread;
    const events: Array<ExecEvent> = [];
    const state = yield* ExecWatch.run(
      thread,
      Command.make("/bin/sh", "-c", "/bin/true; (/bin/false); cd /; /bin/ls tmp >/dev/null; exit 3"),
      { onEvent: (event) => events.push(event) },
    );
    console.log(JSON.stringify(events, null, 1));
    assert.equal(state.exitStatus, 3);
  });
});
