import { existsSync, readFileSync, rmSync } from "node:fs";
import { describeUnless, it, missing, notRoot, start, tempDirectory } from "@rsyscall/harness";
import { CommandTask } from "@rsyscall/task-command";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert } from "vitest";
import { inMounts, NEEDED, only } from "../../packages/task-command/test/worlds.ts";

/*
 * Another user of a host without perl tries to have its program run by the user that sends an executable there.
 */

/**
 * Makes a FIFO of every name that a command line shows, before the file is made, and replaces the FIFO by a program
 * when something is written to it.
 */
const attacker = `
import os, re, sys, threading
proof = sys.argv[1]
os.setgroups([]); os.setgid(65534); os.setuid(65534); os.umask(0)
def serve(path):
    os.close(os.open(path, os.O_RDONLY))
    os.unlink(path)
    with open(path, "w") as file: file.write("#!/bin/sh\\nid -u > %s\\nexit 0\\n" % proof)
    os.chmod(path, 0o755)
seen = set()
print("ready", flush=True)
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try: words = open("/proc/%s/cmdline" % pid).read()
        except OSError: continue
        for name in re.findall(r"\\.rsyscall-task-\\w+", words):
            for directory in "/dev/shm", "/tmp", "/var/tmp":
                path = directory + "/" + name
                if path in seen: continue
                seen.add(path)
                try: os.mkfifo(path)
                except OSError: continue
                print("taken", path, flush=True)
                threading.Thread(target=serve, args=[path], daemon=True).start()
`;

describeUnless(notRoot ?? missing("python3"), "a user of a host without perl", () => {
  it("cannot have its program run in place of the sent executable", function* () {
    const directory = yield* tempDirectory;
    // The program would make this file as root.
    const proof = `${directory}/proof`;
    const other = yield* start("/usr/bin/python3", ["-c", attacker, proof]);
    yield* other.line((line) => line === "ready");
    for (let i = 0; i < 5; i++)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { thread } = yield* CommandTask.make(yield* LocalThread, inMounts(only(...NEEDED)));
          assert.match(
            readFileSync(`/proc/${thread.task.pid}/cmdline`, "latin1"),
            /^\/\S+\/\.rsyscall-task-\w+\0--unlink\0command\0$/,
          );
        }),
      );
    assert.isFalse(existsSync(proof));
    yield* other.kill("SIGKILL");
    // A name is used only once.
    for (const [, path] of (yield* other.ended).stdout.toString().matchAll(/taken (\S+)/g))
      rmSync(path as string);
  });
});
