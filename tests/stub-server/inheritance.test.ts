import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fsDecode, O, SIG } from "@rsyscall/abi";
import { FileDescriptor } from "@rsyscall/handle";
import {
  it,
  missing,
  mock,
  notRoot,
  program,
  python,
  quietly,
  seen,
  shell,
  tempDirectory,
} from "@rsyscall/harness";
import { Fd } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Deferred, Effect, Result } from "effect";
import { assert, describe } from "vitest";

const inherited = (call: StubCall, fd: number) => new FileDescriptor(call.thread.task, Fd(fd));

/** Descriptors that every program here inherits, because the process that started the tests left them open. */
const ambient = readdirSync("/proc/self/fd").filter((fd) => {
  try {
    const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
    return Number(fd) > 2 && (Number.parseInt(flags ?? "0", 8) & O.CLOEXEC) === 0;
  } catch {
    return false;
  }
});

/** The descriptors that the caller left open. */
const opened = (call: StubCall): ReadonlyArray<number> | undefined =>
  call.fds
    ?.map(Number)
    .filter((fd) => !ambient.includes(String(fd)))
    .toSorted((a, b) => a - b);

/** The name of the failure in the error's message. */
const failure = (error: unknown): string =>
  /\b(E[A-Z]+)\b/.exec(error instanceof Error ? error.message : String(error))?.[1] ?? "none";

const outcome = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.result(effect), (result) =>
    Result.isSuccess(result) ? result.success : failure(result.failure),
  );

/** Copies stdin to stdout, in capitals. */
const capitals = ({ thread }: StubCall) =>
  Effect.gen(function* () {
    const text = yield* thread.readTextToEof(thread.stdin);
    yield* thread.stdout.writeAllText(text.toUpperCase());
    return 7;
  });

describe("standard descriptors", () => {
  it("stdin may be closed", function* () {
    const found: Array<unknown> = [];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const { thread } = call;
        found.push(opened(call));
        found.push(yield* outcome(thread.stdin.readBytes()));
        found.push(yield* outcome(thread.readToEof(thread.stdin)));
        // No descriptor of ours has taken its place.
        found.push(yield* outcome(thread.readToEof(thread.stdin)));
        yield* thread.stdout.writeAllText("out");
        yield* thread.stderr.writeAllText("err");
      }),
    );
    const ended = yield* shell('exec "$1" <&-', [path]);
    assert.deepEqual(seen(ended), { status: 0, stdout: "out", stderr: "err" });
    assert.deepEqual(found, [[1, 2], "EBADF", "EBADF", "EBADF"]);
  });

  it("all three may be closed, and nothing takes their places", function* () {
    const found: Array<unknown> = [];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const { thread } = call;
        found.push(opened(call));
        // Makes the epoll instance of the process.
        yield* thread.epoller();
        for (const fd of [thread.stdin, thread.stdout, thread.stderr])
          found.push(yield* outcome(fd.fstat()));
        found.push(yield* outcome(thread.readToEof(thread.stdin)));
        found.push(yield* outcome(thread.stdout.writeAllText("x")));
        return 7;
      }),
    );
    const ended = yield* shell('exec "$1" <&- >&- 2>&-', [path]);
    assert.deepEqual(seen(ended), { status: 7, stdout: "", stderr: "" });
    assert.deepEqual(found, [[], "EBADF", "EBADF", "EBADF", "EBADF", "EBADF"]);
  });

  it("stdin may be a pipe that is written to bit by bit", function* () {
    const { path } = yield* mock(capitals);
    const code = '{ echo one; sleep 0.05; echo two; } | "$1"';
    assert.deepEqual(seen(yield* shell(code, [path])), {
      status: 7,
      stdout: "ONE\nTWO\n",
      stderr: "",
    });
  });

  it("stdin may be a regular file, read from where the caller was to where we stop", function* () {
    const { directory, path } = yield* mock(({ thread }) =>
      Effect.gen(function* () {
        yield* thread.stdout.writeAllText(`[${fsDecode(yield* thread.stdin.readBytes(4))}]`);
      }),
    );
    writeFileSync(join(directory, "in"), "one\ntwo\nthree\n");
    const code = 'exec < "$2"; read first; "$1"; read last; echo "$first $last"';
    const ended = yield* shell(code, [path, join(directory, "in")]);
    assert.deepEqual(seen(ended), { status: 0, stdout: "[two\n]one three\n", stderr: "" });
  });

  it("stdin may be a regular file, read to its end", function* () {
    const { directory, path } = yield* mock(capitals);
    writeFileSync(join(directory, "in"), "one\ntwo\n");
    const ended = yield* shell('exec "$1" < "$2"', [path, join(directory, "in")]);
    assert.deepEqual(seen(ended), { status: 7, stdout: "ONE\nTWO\n", stderr: "" });
  });

  it("stdin may be /dev/null", function* () {
    const { path } = yield* mock(capitals);
    const ended = yield* shell('exec "$1" < /dev/null', [path]);
    assert.deepEqual(seen(ended), { status: 7, stdout: "", stderr: "" });
  });

  it.skipIf(missing("python3"))("stdin and stdout may be one socket", function* () {
    const { path } = yield* mock(capitals);
    const ended = yield* python(
      `
import socket, subprocess
ours, theirs = socket.socketpair()
child = subprocess.Popen([p], stdin=theirs, stdout=theirs)
theirs.close()
ours.sendall(b"one\\n")
ours.sendall(b"two\\n")
ours.shutdown(socket.SHUT_WR)
sys.stdout.write(ours.makefile().read())
sys.stdout.flush()
sys.exit(child.wait())`,
      [path],
    );
    assert.deepEqual(seen(ended), { status: 7, stdout: "ONE\nTWO\n", stderr: "" });
  });

  it.skipIf(missing("script"))("stdin, stdout and stderr may be a terminal", function* () {
    const { path } = yield* mock(({ thread }) =>
      Effect.gen(function* () {
        yield* thread.stdout.writeAllText(`? `);
        yield* thread.epoller();
        const line = fsDecode(yield* thread.stdin.readBytes());
        const rest = yield* thread.readTextToEof(thread.stdin);
        yield* thread.stderr.writeAllText(`<${line.trim()}|${rest.trim()}>`);
        return 7;
      }),
    );
    // script(1) turns the end of its input into a control-D of the terminal.
    const ended = yield* program("script", ["-qec", `exec '${path}'`, "/dev/null"], {
      input: "one\ntwo\n",
    });
    assert.equal(ended.status, 7);
    assert.match(ended.stdout.toString(), /\? /);
    assert.match(ended.stdout.toString(), /<one\|two>/);
  });

  it.skipIf(missing("python3"))("flags that the caller shares stay as they were", function* () {
    const { path } = yield* mock(capitals);
    const ended = yield* python(
      `
import fcntl, subprocess
for nonblocking in (True, False):
    for pair in (os.pipe(), os.pipe()[:]):
        reader, writer = pair
        os.set_blocking(reader, not nonblocking)
        before = fcntl.fcntl(reader, fcntl.F_GETFL)
        child = subprocess.Popen([p], stdin=reader, stdout=subprocess.PIPE)
        os.write(writer, b"one ")
        os.write(writer, b"two\\n")
        os.close(writer)
        print(child.stdout.read().decode(), child.wait(), end=" ")
        print(fcntl.fcntl(reader, fcntl.F_GETFL) == before, os.get_blocking(reader))
`,
      [path],
    );
    assert.deepEqual(seen(ended), {
      status: 0,
      stdout: ["False", "False", "True", "True"]
        .map((blocking) => `ONE TWO\n 7 True ${blocking}\n`)
        .join(""),
      stderr: "",
    });
  });

  it("stdout may be a pipe without readers: SIGPIPE, as for any program", function* () {
    const { path } = yield* mock(({ thread }) =>
      Effect.as(outcome(thread.stdout.writeAllText("x")), 7),
    );
    // With the default action of SIGPIPE the process dies; if it is ignored, the call gets EPIPE.
    const run = (before: string) =>
      python(
        `
import signal, subprocess
reader, writer = os.pipe()
os.close(reader)
${before}
sys.stdout.write(str(subprocess.run([p], stdout=writer, restore_signals=False).returncode))`,
        [path],
      );
    const byDefault = yield* run("signal.signal(signal.SIGPIPE, signal.SIG_DFL)");
    assert.deepEqual(seen(byDefault), { status: 0, stdout: "-13", stderr: "" });
    const ignored = yield* run("signal.signal(signal.SIGPIPE, signal.SIG_IGN)");
    assert.deepEqual(seen(ignored), { status: 0, stdout: "7", stderr: "" });
  });
});

describe("other descriptors", () => {
  it("are listed, and can be read and written", function* () {
    const fds: Array<unknown> = [];
    const { directory, path } = yield* mock((call) =>
      Effect.gen(function* () {
        fds.push(opened(call));
        const text = fsDecode(yield* inherited(call, 3).readBytes());
        yield* inherited(call, 5).writeAllText(`5 has ${text}`);
        yield* inherited(call, 9).writeAllText(`9 has ${text}`);
      }),
    );
    const at = (name: string) => join(directory, name);
    writeFileSync(at("in"), "content");
    const code = 'exec "$1" 3< "$2" 5> "$3" 9>> "$4"';
    const ended = yield* shell(code, [path, at("in"), at("five"), at("nine")]);
    assert.deepEqual(seen(ended), { status: 0, stdout: "", stderr: "" });
    assert.deepEqual(fds, [[0, 1, 2, 3, 5, 9]]);
    assert.equal(readFileSync(at("five"), "utf8"), "5 has content");
    assert.equal(readFileSync(at("nine"), "utf8"), "9 has content");
  });

  it.skipIf(missing("python3"))("may have the numbers that the stub would take", function* () {
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const text = yield* call.thread.readTextToEof(inherited(call, 102));
        yield* call.thread.stdout.writeAllText(`${opened(call)} ${text}`);
      }),
    );
    const ended = yield* python(
      `
reader, writer = os.pipe()
os.write(writer, b"text")
os.close(writer)
for fd in range(98, 110): os.dup2(reader, fd)
os.close(reader)
os.execv(p, [p])`,
      [path],
    );
    const extra = Array.from({ length: 12 }, (_, i) => 98 + i);
    assert.deepEqual(seen(ended), {
      status: 0,
      stdout: `${[0, 1, 2, ...extra]} text`,
      stderr: "",
    });
  });

  it("closed ones are closed in the process: nothing of ours shows below 100", function* () {
    const { path } = yield* mock(({ thread }) =>
      Effect.gen(function* () {
        // The lowest number that is free is the one that any program would get.
        const file = yield* thread.open("/dev/null");
        yield* thread.stdout.writeAllText(`${file.near}`);
      }),
    );
    assert.equal(seen(yield* shell('exec "$1" 3< /dev/null', [path])).stdout, "4");
  });
});

describe("limits on open files", () => {
  const withLimit = (limit: number) =>
    Effect.gen(function* () {
      const { path } = yield* quietly(mock(capitals));
      const code = `ulimit -n ${limit} && exec "$1"`;
      return seen(yield* shell(code, [path], { input: "text\n" }));
    });

  for (const limit of [10, 20])
    it(`${limit} are enough`, function* () {
      assert.deepEqual(yield* withLimit(limit), { status: 7, stdout: "TEXT\n", stderr: "" });
    });

  for (const limit of [3, 5, 8])
    it(`${limit} are too few, which the caller is told`, function* () {
      const { status, stdout, stderr } = yield* withLimit(limit);
      assert.deepEqual({ status, stdout }, { status: 69, stdout: "" });
      assert.match(
        stderr,
        /^mail: rsyscall: .*(cannot duplicate a descriptor|too many open files)/,
      );
    });
});

describe("signals", () => {
  const masks: ReadonlyArray<[how: string, python: string, expected: ReadonlyArray<number>]> = [
    ["nothing", "set()", []],
    ["SIGCHLD", "{signal.SIGCHLD}", [SIG.CHLD]],
    ["SIGTERM, SIGPIPE and SIGINT", "{15, 13, 2}", [SIG.INT, SIG.PIPE, SIG.TERM]],
    [
      "everything",
      "set(range(1, 64)) - {32, 33}",
      // KILL and STOP cannot be blocked; the C library keeps 32 and 33; the last one is the stub's.
      Array.from({ length: 63 }, (_, i) => i + 1).filter((s) => ![9, 19, 32, 33].includes(s)),
    ],
  ];
  for (const [how, set, expected] of masks)
    it.skipIf(missing("python3"))(`${how} may be blocked`, function* () {
      const found: Array<unknown> = [];
      const { path } = yield* mock((call) =>
        Effect.gen(function* () {
          const { thread } = call;
          found.push([...thread.task.sigmask].toSorted((a, b) => a - b));
          // The mask in /proc, without the stub's own signal.
          const status = new TextDecoder().decode(yield* thread.slurp("/proc/self/status"));
          const blocked = BigInt(`0x${/^SigBlk:\s*(\w+)/m.exec(status)?.[1]}`);
          found.push(
            Array.from({ length: 63 }, (_, i) => i + 1).filter(
              (signal) => blocked & (1n << BigInt(signal - 1)),
            ),
          );
          return yield* capitals(call);
        }),
      );
      const code = `
import signal
signal.pthread_sigmask(signal.SIG_SETMASK, ${set})
os.execv(p, [p])`;
      const ended = yield* python(code, [path], { input: "text\n" });
      assert.deepEqual(seen(ended), { status: 7, stdout: "TEXT\n", stderr: "" });
      assert.deepEqual(found, [expected, expected]);
    });

  it.skipIf(missing("python3"))("64, the stub's own, may be blocked or ignored", function* () {
    const { path } = yield* mock((call) => {
      assert.notInclude([...call.thread.task.sigmask], 64);
      return capitals(call);
    });
    const code = `
import ctypes, signal
if sys.argv[2] == "blocked":
    # Past the C library, which would leave it out.
    full = (ctypes.c_uint64 * 1)(2**64 - 1)
    ctypes.CDLL(None).syscall(14, 2, full, None, 8)
else:
    signal.signal(64, signal.SIG_IGN)
os.execv(p, [p])`;
    for (const how of ["blocked", "ignored"]) {
      const ended = yield* python(code, [path, how], { input: "text\n" });
      assert.deepEqual(seen(ended), { status: 7, stdout: "TEXT\n", stderr: "" });
    }
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"] as const)
    it.skipIf(missing("python3"))(`${signal} kills the stub like any program`, function* () {
      const failed = yield* Deferred.make<string>();
      const { path } = yield* mock(({ thread }) =>
        // It may be killed before the result of its write has arrived.
        Effect.andThen(thread.stdout.writeAllText("ready\n"), thread.readToEof(thread.stdin)).pipe(
          Effect.flip,
          Effect.flatMap((error) => Deferred.succeed(failed, error._tag)),
          Effect.asVoid,
        ),
      );
      const code = `
import signal, subprocess
child = subprocess.Popen([p], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
child.send_signal(signal.${signal})
sys.stdout.write(signal.Signals(-child.wait()).name)`;
      const ended = yield* python(code, [path]);
      assert.deepEqual(seen(ended), { status: 0, stdout: signal, stderr: "" });
      // The wait ends, and the read then goes to a process that is gone.
      assert.match(yield* Deferred.await(failed), /^Syscall(Hangup|SendError)$/);
    });

  it.skipIf(missing("python3"))("SIGSTOP stops it, and SIGCONT lets it go on", function* () {
    const { path } = yield* mock(capitals);
    const code = `
import signal, subprocess
child = subprocess.Popen([p], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(b"one ")
child.stdin.flush()
child.send_signal(signal.SIGSTOP)
_, status = os.waitpid(child.pid, os.WUNTRACED)
assert os.WIFSTOPPED(status)
child.stdin.write(b"two")
child.stdin.close()
child.send_signal(signal.SIGCONT)
sys.stdout.write(child.stdout.read().decode())
sys.exit(child.wait())`;
    const ended = yield* python(code, [path]);
    assert.deepEqual(seen(ended), { status: 7, stdout: "ONE TWO", stderr: "" });
  });
});

describe("the rest of a process", () => {
  it("the umask is the caller's", function* () {
    const { directory, path } = yield* mock(({ thread, argv }) =>
      thread.spit(argv[1] as string, "content", 0o666),
    );
    const file = join(directory, "file");
    const ended = yield* shell('umask 027; exec "$@"', [path, file]);
    assert.deepEqual(seen(ended), { status: 0, stdout: "", stderr: "" });
    assert.equal(statSync(file).mode & 0o777, 0o640);
  });

  it.skipIf(missing("python3"))("pid and parent are those that the caller knows", function* () {
    const { path } = yield* mock((call) =>
      call.thread.stdout.writeAllText(`${call.pid} ${call.ppid} ${call.peer.pid}`),
    );
    const code = `
import subprocess
child = subprocess.Popen([p], stdout=subprocess.PIPE)
assert child.stdout.read().decode() == f"{child.pid} {os.getpid()} {child.pid}"
sys.exit(child.wait())`;
    assert.deepEqual(seen(yield* python(code, [path])), { status: 0, stdout: "", stderr: "" });
  });

  it.skipIf(notRoot ?? missing("setpriv"))("real and effective ids", function* () {
    const found: Array<unknown> = [];
    const { path, directory } = yield* mock(
      (call) =>
        Effect.sync(() => {
          found.push([call.uid, call.gid, call.peer.uid, call.peer.gid]);
        }),
      { allow: () => true },
    );
    chmodSync(directory, 0o755);
    const ended = yield* program("setpriv", [
      ...["--ruid", "1234", "--euid", "0", "--rgid", "5678", "--egid", "0", "--clear-groups"],
      path,
    ]);
    assert.deepEqual(seen(ended), { status: 0, stdout: "", stderr: "" });
    assert.deepEqual(found, [[1234, 5678, 0, 0]]);
  });

  it.skipIf(notRoot ?? missing("unshare"))(
    "a working directory that cannot be reached from the root is none",
    function* () {
      const found: Array<unknown> = [];
      const { path } = yield* mock((call) =>
        Effect.sync(() => {
          found.push(call.cwd);
        }),
      );
      const code = 'mount -t tmpfs none "$1" && cd "$1" && umount -l "$1" && exec "$2"';
      const elsewhere = yield* tempDirectory;
      const ended = yield* program("unshare", [
        ...["-m", "--propagation", "private", "sh", "-c", code, "sh"],
        ...[elsewhere, path],
      ]);
      assert.deepEqual(seen(ended), { status: 0, stdout: "", stderr: "" });
      assert.deepEqual(found, [undefined]);
    },
  );
});
