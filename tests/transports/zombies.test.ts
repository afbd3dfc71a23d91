import { it, missing, notRoot, start } from "@rsyscall/harness";
import { assert, describe } from "vitest";

/*
 * In most containers the first process waits for no child. So what a task leaves must be waited for by its own
 * processes, or it stays as a zombie.
 */

const fixture = new URL("../fixtures/zombies.mjs", import.meta.url).pathname;

/** The first process of a pid namespace: runs a program, waits for that one alone, and tells of zombies. */
const init = `
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
while os.waitid(os.P_PID, child, os.WEXITED) is None: pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    state = open("/proc/%s/stat" % pid).read()
    if ") Z " in state: print("zombie", state.split(") Z ")[0], flush=True)
print("done", flush=True)
`;

describe("a first process that waits for no child", () => {
  it.skipIf(notRoot ?? missing("python3"))("is left no zombie by scopes of tasks", function* () {
    const words = ["--pid", "--fork", "--mount-proc", "--", "/usr/bin/python3", "-c", init];
    const { ended } = yield* start("/usr/bin/unshare", [...words, process.execPath, fixture]);
    const { stdout, stderr } = yield* ended;
    assert.equal(stderr.toString(), "");
    assert.equal(stdout.toString(), "launched 8\ndone\n");
  });
});
