import { readFileSync } from "node:fs";
import { SIG } from "@rsyscall/abi";
import type { SyscallError } from "@rsyscall/near";
import { Command } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import {
  execute,
  it,
  missing,
  mock,
  python,
  quietly,
  seen,
  shell,
  untilEnded,
} from "../harness/index.ts";

describe("a handler that executes the real program", () => {
  it("puts it in the stub's place: same process, parent, stdio, name, arguments", function* () {
    let pid = 0;
    const { path } = yield* mock((call) => {
      pid = call.pid;
      return call.thread.exec(call.command("/bin/sh"));
    });
    const script = 'echo "$0 $1" $$ $PPID; cat; echo err >&2; exit 7';
    const { status, stdout, stderr } = yield* shell(
      'printf in | "$1" -c "$2" "odd name" "an argument"; echo "status $? of $$"',
      [path, script],
    );
    const lines = stdout.toString().split("\n");
    const [, ownPid, ppid] = /^odd name an argument (\d+) (\d+)$/.exec(lines[0] as string) ?? [];
    assert.equal(Number(ownPid), pid);
    assert.equal(lines[1], `instatus 7 of ${ppid}`);
    assert.equal(stderr.toString(), "err\n");
    assert.equal(status, 0);
  });

  it("gives it the caller's environment and argv[0], and nothing of ours", function* () {
    const { path } = yield* mock((call) => call.thread.exec(call.command("/usr/bin/env")), {
      link: "script",
    });
    const env = { A: "1", PATH: "/nowhere" };
    const { stdout } = yield* execute(path, [], { env });
    // The wrapper script is run by a shell, which may set PWD and the like.
    const names = stdout.toString().trim().split("\n");
    assert.includeMembers(names, ["A=1", "PATH=/nowhere"]);
    assert.isFalse(names.some((name) => name.startsWith("RSYSCALL_UNIX_STUB")));
  });

  it("lets it see what the handler changed", function* () {
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const [reader, writer] = yield* call.thread.pipe();
        yield* writer.writeAllText("from the handler");
        yield* writer.close;
        yield* reader.dup3(call.thread.stdin);
        yield* call.thread.exec(Command.make("/bin/cat"));
      }),
    );
    assert.deepEqual(seen(yield* execute(path, [], { input: "from the caller" })), {
      status: 0,
      stdout: "from the handler",
      stderr: "",
    });
  });

  it.skipIf(missing("python3"))("leaves signals as the caller had them", function* () {
    const { path } = yield* mock((call) =>
      call.thread.exec(Command.make("/bin/cat", "/proc/self/status")),
    );
    const code = `
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, 64})
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
os.execv(p, ["x"])`;
    const { stdout } = yield* python(code, [path]);
    const set = (name: string) =>
      BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)`, "m").exec(stdout.toString())?.[1]}`);
    const bit = (signal: number) => 1n << BigInt(signal - 1);
    assert.equal(set("SigBlk"), bit(SIG.USR1) | bit(64));
    assert.equal(set("SigIgn") & bit(SIG.USR2), bit(SIG.USR2));
    assert.equal(set("SigCgt"), 0n);
  });

  it("can go on when the program is missing", function* () {
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const error = (yield* Effect.flip(
          call.thread.exec(call.command("/no/such")),
        )) as SyscallError;
        yield* call.thread.stdout.writeAllText(error.errno);
        return 5;
      }),
    );
    assert.deepEqual(seen(yield* execute(path)), { status: 5, stdout: "ENOENT", stderr: "" });
  });
});

describe("a handler with children", () => {
  it("runs the real program with the caller's stdio, and sees how it ends", function* () {
    const states: Array<string> = [];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const state = yield* call.thread.run(call.command("/bin/sh"));
        states.push(String(state));
        return state.exitStatus ?? 128;
      }),
    );
    assert.deepEqual(seen(yield* execute(path, ["-c", "cat; exit 4"], { input: "through" })), {
      status: 4,
      stdout: "through",
      stderr: "",
    });
    assert.deepEqual(states, ["exited with status 4"]);
  });

  it("forks threads that are the caller's grandchildren", function* () {
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const child = yield* call.thread.fork();
        yield* child.stdout.writeAllText("from the child");
        const status = readFileSync(`/proc/${child.process.pid}/status`, "latin1");
        assert.match(status, new RegExp(`^PPid:\t${call.pid}$`, "m"));
      }),
    );
    assert.equal(seen(yield* execute(path)).stdout, "from the child");
  });

  it.skipIf(missing("python3"))(
    "learns how they end, although the caller ignores its own",
    function* () {
      const { path } = yield* mock((call) =>
        Effect.map(
          call.thread.run(Command.make("/bin/sh", "-c", "exit 9")),
          ({ exitStatus }) => exitStatus ?? 0,
        ),
      );
      // Its parent ignores SIGCHLD too, and is not told: so it tells itself, as a shell would.
      const code = `
import signal, subprocess
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv("/bin/sh", ["sh", "-c", p + '; echo $?'])`;
      const { stdout } = yield* python(code, [path]);
      assert.equal(stdout.toString(), "9\n");
    },
  );

  it("that fails leaves none of them", function* () {
    const pids: Array<number> = [];
    const { path } = yield* quietly(
      mock((call) =>
        Effect.gen(function* () {
          pids.push((yield* call.thread.fork()).process.pid);
          pids.push((yield* call.thread.spawn(Command.make("/bin/sleep", "1000"))).pid);
          return yield* Effect.fail(new Error("as expected"));
        }),
      ),
    );
    yield* execute(path);
    yield* Effect.forEach(pids, untilEnded);
  });
});
