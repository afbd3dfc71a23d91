import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { SIG, SigHow } from "@rsyscall/abi";
import { type HandleFailure, resetSignal, sigprocmask } from "@rsyscall/handle";
import {
  execute,
  it,
  missing,
  mock,
  program,
  python,
  quietly,
  seen,
  shell,
  tempDirectory,
  untilEnded,
} from "@rsyscall/harness";
import { stubPath } from "@rsyscall/native";
import type { SyscallError } from "@rsyscall/near";
import { type StubCall, StubServer } from "@rsyscall/stub-server";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";

const STATUS = Command.make("/bin/cat", "/proc/self/status");

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
    const env = { A: "1", PATH: "/nowhere", "a-b": "2", "BASH_FUNC_f%%": "() { :; }" };
    const { stdout } = yield* execute(path, [], { env });
    const strings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    assert.sameMembers(stdout.toString().trim().split("\n"), strings);
  });

  it("lets it see what the handler changed", function* () {
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const [reader, writer] = yield* call.thread.pipe();
        yield* writer.writeAllText("from the handler");
        yield* writer.close();
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

  for (const [how, execute] of [
    ["by exec", (thread) => thread.exec(STATUS)],
    ["by run", (thread) => thread.run(STATUS)],
    [
      "by exec of a child",
      (thread) =>
        Effect.flatMap(thread.fork(), (it) => Effect.andThen(it.exec(STATUS), it.process.wait())),
    ],
    [
      "by exec after a run, and an exec that has failed",
      (thread) =>
        thread.run(Command.make("/bin/true")).pipe(
          Effect.andThen(Effect.flip(thread.exec(Command.make("/no/such")))),
          // The process itself is as it was.
          Effect.andThen(Effect.flip(thread.exec(Command.make("/no/such")))),
          Effect.andThen(thread.exec(STATUS)),
        ),
    ],
  ] as ReadonlyArray<
    [string, (thread: Thread) => Effect.Effect<unknown, HandleFailure, Scope.Scope>]
  >)
    it.skipIf(missing("python3"))(`leaves signals as the caller had them, ${how}`, function* () {
      const { path } = yield* mock(({ thread }) => Effect.asVoid(execute(thread)));
      // By the bare system call: the C library keeps signals 32 and 33 for itself.
      const code = `
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM, 64})
for ignored in (signal.SIGUSR2, signal.SIGCHLD, 64): signal.signal(ignored, signal.SIG_IGN)
os.execv(p, ["x"])`;
      const { stdout } = yield* python(code, [path]);
      const set = (name: string) =>
        BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)`, "m").exec(stdout.toString())?.[1]}`);
      const bits = (...signals: ReadonlyArray<number>) =>
        signals.reduce((sum, signal) => sum | (1n << BigInt(signal - 1)), 0n);
      assert.equal(set("SigBlk"), bits(SIG.USR1, SIG.TERM, 64));
      const ignored = bits(SIG.USR2, SIG.CHLD, 64);
      assert.equal(set("SigIgn") & ignored, ignored);
      assert.equal(set("SigCgt"), 0n);
    });

  it.skipIf(missing("python3"))("gets the signals that the handler has set instead", function* () {
    const { path } = yield* mock(({ thread }) =>
      Effect.gen(function* () {
        yield* thread.run(Command.make("/bin/true"));
        yield* resetSignal(thread.task, SIG.CHLD);
        yield* sigprocmask(thread.task, SigHow.SETMASK, new Set([SIG.HUP]));
        yield* thread.exec(STATUS);
      }),
    );
    const code = `
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(p, ["x"])`;
    const { stdout } = yield* python(code, [path]);
    assert.match(stdout.toString(), /^SigBlk:\t0000000000000001$/m);
    const [, ignored] = /^SigIgn:\t(\w+)$/m.exec(stdout.toString()) ?? [];
    assert.equal(BigInt(`0x${ignored}`) & (1n << BigInt(SIG.CHLD - 1)), 0n);
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
      // Its parent ignores SIGCHLD too, and cannot learn the status: so it prints it itself, as a shell would.
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

describe("programs that look for themselves", () => {
  /** Mocks a program by passing its calls on, and runs a shell whose PATH begins with the mock. */
  const spied = (name: string, code: string, args: ReadonlyArray<string> = []) =>
    Effect.gen(function* () {
      let calls = 0;
      const { directory } = yield* mock(
        (call) =>
          Effect.gen(function* () {
            calls++;
            yield* call.thread.exec(yield* call.real());
          }),
        { name },
      );
      const env = { PATH: `${directory}:/usr/bin:/bin` };
      const ended = seen(yield* shell(code, args, { env }));
      return { ...ended, calls };
    });

  it.skipIf(missing("gcc"))("gcc finds its compiler", function* () {
    const object = join(yield* tempDirectory, "x.o");
    const ended = yield* spied("gcc", 'echo "int x;" | gcc -x c -c -o "$1" -', [object]);
    assert.deepEqual(ended, { status: 0, stdout: "", stderr: "", calls: 1 });
    assert.isTrue(statSync(object).isFile());
  });

  it.skipIf(missing("python3"))("python knows its executable", function* () {
    const ended = yield* spied("python3", 'python3 -ISc "import sys; print(sys.executable)"');
    assert.deepEqual(ended, { status: 0, stdout: "/usr/bin/python3\n", stderr: "", calls: 1 });
  });

  it.skipIf(missing("bash"))(
    "bash knows its executable, and whether it is a login shell",
    function* () {
      const code = 'bash --norc -c "echo \\$BASH"';
      const ended = yield* spied("bash", code);
      assert.deepEqual(ended, { status: 0, stdout: "/usr/bin/bash\n", stderr: "", calls: 1 });
      const { path } = yield* mock((call) => call.thread.exec(call.command("/bin/bash")));
      const login = yield* program("bash", [
        "-c",
        `exec -a -bash "$1" --noprofile -c 'shopt -q login_shell && echo "$0"'`,
        "bash",
        path,
      ]);
      assert.equal(login.stdout.toString(), "-bash\n");
    },
  );

  it.skipIf(missing("busybox"))("busybox does what its name says", function* () {
    const { directory } = yield* mock(
      (call) => call.thread.exec(call.command("/usr/bin/busybox")),
      { name: "basename" },
    );
    const ended = yield* shell("basename /a/b; busybox basename /c/d", [], {
      env: { PATH: `${directory}:/usr/bin:/bin` },
    });
    assert.deepEqual(seen(ended), { status: 0, stdout: "b\nd\n", stderr: "" });
  });
});

describe("the real program", () => {
  const real = (call: StubCall) =>
    Effect.flatMap(call.real(), (command) => call.thread.exec(command));

  /** A directory with a program that says something. */
  const says = (text: string, name = "tool") =>
    Effect.map(tempDirectory, (directory) => {
      writeFileSync(join(directory, name), `#!/bin/sh\necho ${text} "$@"\n`, { mode: 0o755 });
      return directory;
    });

  const call = (path: ReadonlyArray<string>, code = "tool a b") =>
    Effect.map(shell(code, [], { env: { PATH: path.join(":") } }), seen);

  const said = (text: string) => ({ status: 0, stdout: `${text} a b\n`, stderr: "" });

  for (const link of ["symlink", "copy", "script"] as const)
    it(`is the next one behind ours, which is not ours under another guise (${link})`, function* () {
      const { directory } = yield* mock(real, { name: "tool", link });
      const before = yield* says("before");
      const behind = yield* says("behind");
      const last = yield* says("last");
      const guises = yield* tempDirectory;
      for (const guise of ["link", "hard", "copy", "stub"]) mkdirSync(join(guises, guise));
      const ours = join(directory, "tool");
      symlinkSync(ours, join(guises, "link/tool"));
      linkSync(ours, join(guises, "hard/tool"));
      copyFileSync(ours, join(guises, "copy/tool"));
      symlinkSync(String(stubPath), join(guises, "stub/tool"));
      const all = ["link", "hard", "copy", "stub"].map((guise) => join(guises, guise));
      assert.deepEqual(yield* call([directory, ...all, behind, last]), said("behind"));
      // Called by path: the real program comes after the stub's place in PATH, or else from anywhere in it.
      const byPath = `PATH=${before}:${all[0]}:${directory}:${behind} ${ours} a b`;
      assert.deepEqual(yield* call([], byPath), said("behind"));
      assert.deepEqual(yield* call([before, behind], `${ours} a b`), said("before"));
    });

  it("may be the mock of another server, and of that the real one", function* () {
    const names: Array<string> = [];
    const spy = (name: string) => (call: StubCall) => {
      names.push(name);
      return real(call);
    };
    const outer = yield* mock(spy("outer"), { name: "tool" });
    const inner = yield* mock(spy("inner"), { name: "tool", link: "copy" });
    const innermost = yield* mock(spy("innermost"), { name: "tool", link: "script" });
    const behind = yield* says("behind");
    const path = [outer, inner, innermost].map(({ directory }) => directory);
    assert.deepEqual(yield* call([...path, behind]), said("behind"));
    assert.deepEqual(names, ["outer", "inner", "innermost"]);
  });

  it("of a server that has placed none is that of the name that was called", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.listenOn(yield* LocalThread, join(directory, "all.sock"));
    yield* Effect.forkScoped(server.serve(real));
    symlinkSync(String(stubPath), join(directory, "tool"));
    const behind = yield* says("behind");
    const code = `export RSYSCALL_UNIX_STUB_SOCK_PATH=${directory}/all.sock; tool a b`;
    assert.deepEqual(yield* call([directory, behind], code), said("behind"));
  });

  it("may be none, which is a typed error", function* () {
    const { directory } = yield* mock(
      (call) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(call.real());
          yield* call.thread.stdout.writeAllText(error._tag);
          return 4;
        }),
      { name: "no-such-tool" },
    );
    const ended = yield* call([directory, "/usr/bin"], "no-such-tool");
    assert.deepEqual(ended, { status: 4, stdout: "ExecutableNotFoundError", stderr: "" });
  });
});
