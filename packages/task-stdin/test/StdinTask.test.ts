import { chmodSync, copyFileSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { aarch64, CLONE } from "@rsyscall/abi";
import {
  childrenOf,
  it,
  launchStub,
  notRoot,
  tempDirectory,
  untilEnded,
  worksAsync,
} from "@rsyscall/harness";
import { hello } from "@rsyscall/harness/stubClient";
import { taskPath } from "@rsyscall/native";
import { getppid } from "@rsyscall/near";
import { Command, fieldsOf, LocalThread, type Thread } from "@rsyscall/thread";
import { LaunchError } from "@rsyscall/transport";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";
import { StdinTask } from "../src/index.ts";

/** Through a shell that does nothing of its own. */
const plain = (...words: ReadonlyArray<string>) =>
  Command.make("/bin/sh", "-c", 'exec "$0" "$@"', ...words);

const places: ReadonlyArray<
  [name: string, thread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]
> = [
  ["the local thread", LocalThread],
  ["a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ["a clone that shares files", Effect.flatMap(LocalThread, (t) => t.clone(CLONE.FILES))],
  ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
];

describe("a task behind a command's stdin", () => {
  for (const [name, parent] of places)
    for (const sharedMemory of [true, false])
      it(`works from ${name}${sharedMemory ? "" : ", over sockets"}`, function* () {
        const from = yield* parent;
        const { thread, process } = yield* StdinTask.make(from, plain, { sharedMemory });
        assert.equal(thread.task.pid, process.pid, "the shell became the task");
        assert.equal(fieldsOf(thread).memory !== undefined, sharedMemory);
        yield* worksAsync(thread);
        assert.equal(readlinkSync(`/proc/${process.pid}/fd/0`), "/dev/null");
        const child = yield* thread.fork();
        assert.equal(yield* getppid(child.task.sysif), process.pid);
        const state = yield* thread.run(Command.make("/bin/sh", "-c", "exit 7"));
        assert.equal(state.exitStatus, 7);
        yield* thread.exit(3);
        assert.equal((yield* process.wait()).exitStatus, 3);
      });

  const programs: ReadonlyArray<[name: string, ...words: ReadonlyArray<string>]> = [
    ["env -i", "/usr/bin/env", "-i", "--"],
    ["setsid --wait", "/usr/bin/setsid", "--wait", "--"],
  ];
  const privileged: ReadonlyArray<[name: string, ...words: ReadonlyArray<string>]> = [
    ["setpriv", "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"],
    ["unshare", "/usr/bin/unshare", "--pid", "--mount", "--fork", "--"],
    ["chroot", "/usr/sbin/chroot", "--userspec=65534:65534", "/"],
  ];
  const through = (words: ReadonlyArray<string>) =>
    function* () {
      const [program, ...args] = words as [string, ...Array<string>];
      // Where other users get to it, too.
      const directory = yield* tempDirectory;
      chmodSync(directory, 0o755);
      const executable = `${directory}/rsyscall-task`;
      copyFileSync(taskPath, executable);
      const far = yield* StdinTask.make(
        yield* LocalThread,
        (...task) => Command.make(program, ...args, ...task),
        { executable },
      );
      const { thread } = far;
      yield* worksAsync(thread);
      const child = yield* thread.fork();
      const state = yield* thread.run(Command.make("/bin/true"));
      assert.equal(state.exitStatus, 0);
      yield* worksAsync(child);
      yield* thread.exit(0);
      yield* far.ended();
    };
  for (const [name, ...words] of programs) it(`gets through ${name}`, through(words));
  for (const [name, ...words] of privileged)
    it.skipIf(notRoot)(`gets through ${name}`, through(words));

  it("ends with its scope, and takes its children along", function* () {
    const pids = yield* Effect.scoped(
      Effect.gen(function* () {
        // The shell stays, and waits for the task.
        const waiting = (...words: ReadonlyArray<string>) =>
          Command.make("/bin/sh", "-c", '"$0" "$@"; exit 1', ...words);
        const { thread, process } = yield* StdinTask.make(yield* LocalThread, waiting);
        const child = yield* thread.fork();
        assert.notEqual(thread.task.pid, process.pid);
        return [process.pid, thread.task.pid, child.task.pid];
      }),
    );
    for (const pid of pids) yield* untilEnded(pid);
  });

  const failures: ReadonlyArray<[what: string, script: string, message: RegExp]> = [
    ["ends at once", "echo who are you >&2; exit 3", /exited with status 3\nwho are you/],
    ["is killed", "kill -9 $$", /SIGKILL/],
    [
      "says nothing of ours",
      "echo hello >&0; exec sleep 1000",
      /this is no rsyscall stub|no answer/,
    ],
    ["never answers", "echo wait >&2; exec sleep 1000", /no answer within .*\nwait/],
    ["closes its stdin", "exec sleep 1000 <&-", /./],
  ];
  for (const [what, script, message] of failures)
    it(`says why there is none, when the command ${what}`, function* () {
      const before = childrenOf(process.pid);
      const launched = StdinTask.make(
        yield* LocalThread,
        () => Command.make("/bin/sh", "-c", script),
        { timeout: "300 millis" },
      );
      const error = yield* Effect.flip(Effect.asVoid(launched));
      assert.instanceOf(error, LaunchError);
      assert.match(error.message, message);
      // The scope is still open.
      assert.deepEqual(childrenOf(process.pid), before);
    });

  it("says what is missing", function* () {
    const local = yield* LocalThread;
    const launched = StdinTask.make(local, (...words) => Command.make("/no/such", ...words));
    const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(launched)));
    assert.include(error.message, "ENOENT");
    const elsewhere = StdinTask.make(local, plain, { executable: "/no/such/task" });
    const second = yield* Effect.flip(Effect.scoped(Effect.asVoid(elsewhere)));
    assert.instanceOf(second, LaunchError);
    assert.include(second.message, "/no/such/task");
  });

  it("says so when the executable is for another machine", function* () {
    const executable = `${yield* tempDirectory}/task`;
    const program = readFileSync(taskPath);
    program.writeUInt16LE(aarch64.elfMachine, 18);
    writeFileSync(executable, program, { mode: 0o755 });
    const launched = StdinTask.make(yield* LocalThread, (path) => Command.make(path), {
      executable,
    });
    const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(launched)));
    assert.include(error.message, "ENOEXEC");
  });

  it("says so when the task is of another version, and to the task too", function* () {
    const directory = yield* tempDirectory;
    writeFileSync(
      `${directory}/hello`,
      hello((view) => view.setUint32(8, 2, true)),
    );
    const said = StdinTask.make(yield* LocalThread, () =>
      Command.make(
        "/bin/sh",
        "-c",
        'cat "$0/hello" >&0; dd bs=64k count=1 status=none >&2',
        directory,
      ),
    );
    const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(said)));
    assert.instanceOf(error, LaunchError);
    assert.match(
      error.message,
      /speaks version 2 .*and the server 1: use.*; it exited with status 0\n/,
    );
    assert.match((error as LaunchError).stderr, /speaks version 2/);
  });

  it("hears what is written to stderr while it runs", function* () {
    const parts: Array<string> = [];
    const saying = (...words: ReadonlyArray<string>) =>
      Command.make("/bin/sh", "-c", 'echo the command >&2; exec "$@"', "sh", ...words);
    const task = yield* StdinTask.make(yield* LocalThread, saying, {
      onStderr: (bytes) => parts.push(new TextDecoder().decode(bytes)),
    });
    yield* task.thread.run(Command.make("/bin/sh", "-c", "echo a program >&2"));
    while (!task.stderr.includes("a program")) yield* Effect.yieldNow;
    assert.equal(task.stderr, "the command\na program\n");
    assert.equal(parts.join(""), task.stderr);
  });
});
