import { readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { SIG } from "@rsyscall/abi";
import { execute, it, mock, shell, start, tempDirectory } from "@rsyscall/harness";
import { stubPath } from "@rsyscall/native";
import { SyscallSendError } from "@rsyscall/near";
import {
  type Reply,
  type ServeOptions,
  type StubCall,
  StubServer,
  type StubServerOptions,
} from "@rsyscall/stub-server";
import { Command, LocalThread } from "@rsyscall/thread";
import { Deferred, Effect } from "effect";
import { assert, describe } from "vitest";

/** Both ways of an answer: by the process itself, and through a Thread. */
const ways = [
  ["at the door", (_: StubCall) => {}],
  ["through a Thread", (call: StubCall) => void call.thread],
] as const;

for (const [way, prepare] of ways)
  describe(`a reply ${way}`, () => {
    const replying = (reply: Reply) =>
      mock((call) => {
        prepare(call);
        return call.reply(reply);
      });

    it("writes stdout and stderr, and exits with 0", function* () {
      const { path } = yield* replying({ stdout: "out\n", stderr: "err\n" });
      const { status, stdout, stderr } = yield* execute(path);
      assert.deepEqual([status, stdout.toString(), stderr.toString()], [0, "out\n", "err\n"]);
    });

    it("keeps the order of chunks, and every byte", function* () {
      const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
      const { path } = yield* replying({
        chunks: [
          { stdout: "1" },
          { stderr: "2" },
          { stdout: binary },
          { stdout: "" },
          { stderr: "4" },
        ],
        status: 255,
      });
      const { status, stdout } = yield* shell('"$1" 2>&1; echo "$?"', [path]);
      assert.equal(status, 0);
      assert.deepEqual(stdout, Buffer.concat([Buffer.from("12"), binary, Buffer.from("4255\n")]));
    });

    it("ends by a signal that the caller ignores and blocks", function* () {
      const { path } = yield* replying({ stdout: "x", signal: SIG.TERM });
      const { stdout } = yield* shell('trap "" TERM; "$1"; echo " $?"', [path]);
      assert.equal(stdout.toString(), "x 143\n");
    });

    it("has a status if the signal does not kill", function* () {
      const { path } = yield* replying({ signal: SIG.CHLD });
      assert.equal((yield* execute(path)).status, 128 + SIG.CHLD);
    });

    it("of 10 MiB goes through a slow pipe", function* () {
      const size = 10 * 1024 * 1024;
      const { path } = yield* replying({ stdout: new Uint8Array(size).fill(120), status: 3 });
      const { stdout } = yield* shell(
        '{ "$1"; echo "status $?" >&2; } | { sleep 0.1; wc -c; } 2>&1',
        [path],
      );
      assert.equal(stdout.toString().trim(), String(size));
    });

    it("survives a closed stdout, and dies of SIGPIPE as a program", function* () {
      const { path } = yield* replying({ stdout: "x".repeat(100_000), stderr: "e", status: 4 });
      const closed = yield* shell('"$1" >&-; echo "$?"', [path]);
      assert.deepEqual([closed.stdout.toString(), closed.stderr.toString()], ["4\n", "e"]);
      const script = '{ sleep 0.1; "$1"; echo "$?" >&2; } | :';
      assert.match((yield* shell(script, [path])).stderr.toString(), /^141\n$/);
      const ignored = yield* shell(`trap "" PIPE; ${script}`, [path]);
      assert.equal(ignored.stderr.toString(), "e4\n");
    });

    it("waits for a stdout that is non-blocking and full", function* () {
      const { path } = yield* replying({ stdout: "x".repeat(200_000) });
      const script = `
import os, subprocess, sys, time
r, w = os.pipe(); os.set_blocking(w, False)
p = subprocess.Popen([sys.argv[1]], stdout=w); os.close(w)
time.sleep(0.05); n = 0
while True:
    b = os.read(r, 4096)
    if not b: break
    n += len(b)
print(n, p.wait())`;
      const { stdout } = yield* execute("python3", ["-c", script, path]);
      assert.equal(stdout.toString(), "200000 0\n");
    });
  });

describe("a reply", () => {
  it("is refused if it cannot be one, and the call goes on", function* () {
    const wrong: ReadonlyArray<Reply> = [
      { status: 256 },
      { status: -1 },
      { status: 1.5 },
      { signal: 0 },
      { signal: 65 },
      { status: 1, signal: 9 },
      { stdout: 3 as never },
      { chunks: [{ stderr: null as never }] },
    ];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        for (const reply of wrong) {
          const error = yield* Effect.flip(call.reply(reply));
          assert.equal(error._tag, "InvalidArgumentError");
        }
        return 9;
      }),
    );
    assert.equal((yield* execute(path)).status, 9);
  });

  it("that cannot be written ends in words", function* () {
    const { path } = yield* mock((call) => call.reply({ stdout: "x" }));
    const { stderr } = yield* shell('"$1" > /dev/full; echo "$?" >&2', [path]);
    assert.match(stderr.toString(), /: cannot write to stdout: no space left on device\n74\n$/);
  });

  it("is the only answer", function* () {
    const errors: Array<string> = [];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        yield* call.reply({ status: 5 });
        errors.push((yield* Effect.flip(call.reply({ status: 6 })))._tag);
        errors.push((yield* Effect.flip(call.exec(Command.make("/bin/true"))))._tag);
        const write = call.thread.stdout.writeAllText("more");
        const error = yield* Effect.flip(write);
        assert.instanceOf(error, SyscallSendError);
        assert.match(error.message, /was answered/);
      }),
    );
    assert.equal((yield* execute(path)).status, 5);
    assert.deepEqual(errors, ["InvalidStateError", "InvalidStateError"]);
  });

  it("goes with no other status", function* () {
    const failed = yield* Deferred.make<string>();
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    yield* Effect.forkScoped(
      server.serve((call) => Effect.as(call.reply({ status: 5 }), 6), {
        onFailure: (cause) => Deferred.succeed(failed, String(cause)),
      }),
    );
    assert.equal((yield* execute(`${directory}/stub`)).status, 5);
    assert.match(yield* Deferred.await(failed), /gave the status 6 to a call that it has answered/);
  });

  it("makes no Thread: the server has no more descriptors meanwhile", function* () {
    let most = 0;
    const { path } = yield* mock((call) =>
      Effect.sync(() => {
        most = Math.max(most, readdirSync("/proc/self/fd").length);
        return call.argv.length;
      }),
    );
    yield* execute(path);
    const before = readdirSync("/proc/self/fd").length;
    most = 0;
    assert.equal((yield* execute(path, ["a", "b"])).status, 3);
    // The socket and the memfd of the client; the other is the list's own, and a pipe or so of the child.
    assert.isBelow(most - before, 8);
  });
});

for (const [way, prepare] of ways)
  describe(`an exec ${way}`, () => {
    const executing = (command: (call: StubCall) => Command) =>
      mock((call) => {
        prepare(call);
        return call.exec(command(call));
      });

    it("keeps the pid, the parent, stdio, arguments and the environment", function* () {
      let pid = 0;
      const { path } = yield* executing((call) => {
        pid = call.pid;
        return call.command("/bin/sh");
      });
      const script = 'echo "$0 $1 $A" $$ $PPID; cat; echo err >&2; exit 7';
      const { stdout, stderr } = yield* shell(
        'printf in | A=b "$1" -c "$2" "odd name" "an argument"; echo "status $? of $$"',
        [path, script],
      );
      const [first = "", second] = stdout.toString().split("\n");
      const [, ownPid, ppid] = /^odd name an argument b (\d+) (\d+)$/.exec(first) ?? [];
      assert.equal(Number(ownPid), pid);
      assert.equal(second, `instatus 7 of ${ppid}`);
      assert.equal(stderr.toString(), "err\n");
    });

    it("leaves signals and descriptors as they were", function* () {
      const script = `
import os, signal, subprocess, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, 64]); signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.signal(64, signal.SIG_IGN)
def see(program):
    return subprocess.run([program, "-c", "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; ls /proc/self/fd"],
        stdout=subprocess.PIPE, restore_signals=False, pass_fds=[7]).stdout
os.dup2(0, 7)
print(see("/bin/sh") == see(sys.argv[1]), see("/bin/sh").decode())`;
      const { path } = yield* executing((call) => call.command("/bin/sh"));
      const { stdout } = yield* execute("python3", ["-c", script, path]);
      assert.match(stdout.toString(), /^True/);
    });

    it("takes another environment and another argv", function* () {
      const { path } = yield* mock((call) =>
        Effect.gen(function* () {
          prepare(call);
          yield* call.environ.set("SET", "1");
          yield* call.environ.delete("GONE");
          yield* call.exec(
            Command.make("/bin/sh", "-c", 'echo "$0 $SET $GONE $MORE $KEPT"').args("name").env({
              MORE: "2",
            }),
          );
        }),
      );
      const env = { GONE: "x", KEPT: "k", RSYSCALL_UNIX_STUB_TIMEOUT: "5" };
      const { stdout } = yield* execute(path, [], { env });
      assert.equal(stdout.toString(), "name 1  2 k\n");
    });

    it("passes nothing on that was for the stub", function* () {
      const { path } = yield* mock(
        (call) => {
          prepare(call);
          return call.exec(call.command("/usr/bin/env"));
        },
        { link: "script" },
      );
      const env = {
        B: "2",
        RSYSCALL_UNIX_STUB_TIMEOUT: "5",
        RSYSCALL_UNIX_STUB_SOCK: "/nowhere",
        A: "1",
      };
      const { stdout } = yield* execute(path, [], { env });
      assert.equal(stdout.toString(), "B=2\nA=1\n");
    });

    it("gives a script without #! to the shell", function* () {
      const directory = yield* tempDirectory;
      writeFileSync(`${directory}/script`, 'echo "script $0 $1"\n', { mode: 0o755 });
      const { path } = yield* executing((call) => call.command(`${directory}/script`));
      const { stdout } = yield* execute(path, ["arg"]);
      assert.equal(stdout.toString(), `script ${directory}/script arg\n`);
    });
  });

describe("an exec that the kernel refuses", () => {
  it("is an error of the caller's at the door, as in a shell", function* () {
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/plain`, "");
    writeFileSync(`${directory}/binary`, Uint8Array.of(1, 0, 2), { mode: 0o755 });
    const { path } = yield* mock((call) => call.exec(Command.make(call.argv[1] ?? "")));
    for (const [program, status, reason] of [
      [`${directory}/none`, 127, "no such file or directory"],
      [`${directory}/plain/x`, 127, "not a directory"],
      [`${directory}/plain`, 126, "permission denied"],
      [`${directory}/binary`, 126, "not a program for this machine, and not a script"],
    ] as const) {
      const ended = yield* execute(path, [program]);
      assert.equal(ended.status, status, program);
      assert.equal(
        ended.stderr.toString(),
        `mail: rsyscall: cannot execute ${program}: ${reason}\n`,
      );
    }
  });

  it("is a typed error through a Thread, and the handler goes on", function* () {
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        void call.thread;
        const error = yield* Effect.flip(call.exec(Command.make("/none")));
        assert.equal((error as { code?: string }).code, "ENOENT");
        return 8;
      }),
    );
    assert.equal((yield* execute(path)).status, 8);
  });
});

describe("real() without a Thread", () => {
  it("finds the next program, also through relative directories", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "sort");
    let sawThread = false;
    yield* Effect.forkScoped(
      server.serve((call) => {
        const fds = readdirSync("/proc/self/fd").length;
        return Effect.flatMap(call.real(), (real) => {
          sawThread ||= readdirSync("/proc/self/fd").length > fds + 1;
          return call.exec(real);
        });
      }),
    );
    const env = { PATH: `${directory}:/usr/bin:/bin` };
    const { stdout } = yield* execute("sort", ["-r"], { env, input: "1\n2\n" });
    assert.equal(stdout.toString(), "2\n1\n");
    const relative = yield* execute("sort", ["-r"], {
      env: { PATH: `${directory}:usr/bin` },
      cwd: "/",
      input: "1\n2\n",
    });
    assert.equal(relative.stdout.toString(), "2\n1\n");
    assert.isFalse(sawThread);
  });

  it("looks in the caller's process below chroot", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "cat", { link: "script" });
    let tried: ReadonlyArray<string> = [];
    yield* Effect.forkScoped(
      server.serve((call) =>
        Effect.catchTag(Effect.asVoid(call.real()), "ExecutableNotFoundError", (error) =>
          Effect.as(
            Effect.sync(() => {
              tried = error.tried;
            }),
            44,
          ),
        ),
      ),
    );
    // The socket's path must be the same inside.
    const script = `
import os, sys
d = sys.argv[1]; root = d + "/root"
os.makedirs(root + d); os.link(d + "/cat", root + "/cat")
os.link(d + "/cat.sock", root + d + "/cat.sock")
os.chroot(root); os.chdir("/"); os.environ["PATH"] = "/:/bin"
os.execv("/cat", ["cat"])`;
    const { status, stderr } = yield* execute("python3", ["-c", script, directory]);
    assert.equal(status, 44, stderr.toString());
    assert.deepEqual(tried, ["/cat"]);
  });
});

describe("a caller without a Thread", () => {
  it("that is killed while the handler thinks is no failure, and ended() says so", function* () {
    const begun = yield* Deferred.make<void>();
    const over = yield* Deferred.make<void>();
    const failures: Array<unknown> = [];
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    yield* Effect.forkScoped(
      server.serve(
        (call) =>
          Effect.gen(function* () {
            yield* Deferred.succeed(begun, undefined);
            yield* call.ended();
            yield* Effect.ensuring(call.reply({}), Deferred.succeed(over, undefined));
          }),
        { onFailure: (cause) => Effect.sync(() => failures.push(cause)) },
      ),
    );
    const caller = yield* start(`${directory}/stub`);
    yield* Deferred.await(begun);
    yield* caller.kill("SIGKILL");
    yield* Deferred.await(over);
    yield* caller.ended;
    assert.deepEqual(failures, []);
  });

  it("that is gone holds no place when another waits for one", function* () {
    const begun = yield* Deferred.make<void>();
    const failures: Array<unknown> = [];
    const outcome = yield* Deferred.make<string>();
    const release = yield* Deferred.make<void>();
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub", { callLimit: 1 });
    yield* Effect.forkScoped(
      server.serve(
        (call) =>
          call.argv[1] === "second"
            ? Effect.succeed(3)
            : Effect.gen(function* () {
                yield* Deferred.succeed(begun, undefined);
                yield* Deferred.await(release);
                const error = yield* Effect.flip(call.reply({}));
                yield* Deferred.succeed(outcome, error._tag);
                return yield* Effect.fail(error);
              }),
        { onFailure: (cause) => Effect.sync(() => failures.push(cause)) },
      ),
    );
    const caller = yield* start(`${directory}/stub`);
    yield* Deferred.await(begun);
    yield* caller.kill("SIGKILL");
    yield* caller.ended;
    assert.equal((yield* execute(`${directory}/stub`, ["second"])).status, 3);
    yield* Deferred.succeed(release, undefined);
    assert.equal(yield* Deferred.await(outcome), "SyscallHangup");
    assert.equal((yield* execute(`${directory}/stub`, ["second"])).status, 3);
    assert.deepEqual(failures, []);
  });

  it("gets 75 at the deadline, and 70 for a failure", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    const handler = ({ argv }: StubCall) => (argv[1] ? Effect.fail("no") : Effect.never);
    yield* Effect.forkScoped(
      server.serve(handler, { deadline: "50 millis", onFailure: () => Effect.void }),
    );
    const late = yield* execute(`${directory}/stub`);
    assert.equal(late.status, 75);
    assert.match(late.stderr.toString(), /^stub: rsyscall: the handler gave no status within/);
    assert.equal((yield* execute(`${directory}/stub`, ["x"])).status, 70);
  });
});

describe("a caller that does not read its answer", () => {
  it("holds up no other, and ends with stallLimit, with its deadline, or when it is gone", function* () {
    const directory = yield* tempDirectory;
    const outcomes: Array<string> = [];
    const serving = (
      name: string,
      options: StubServerOptions,
      serveOptions: ServeOptions<unknown>,
    ) =>
      Effect.gen(function* () {
        const server = yield* StubServer.make(yield* LocalThread, directory, name, options);
        const big = new Uint8Array(4 * 1024 * 1024);
        yield* Effect.forkScoped(
          server.serve(
            (call) =>
              call.argv[1] === "small"
                ? call.reply({ status: 2 })
                : Effect.onExit(call.reply({ stdout: big }), (exit) =>
                    Effect.sync(() => void outcomes.push(`${name} ${exit._tag}`)),
                  ),
            { onFailure: () => Effect.void, ...serveOptions },
          ),
        );
        return `${directory}/${name}`;
      });
    const stalled = yield* serving("stalled", { stallLimit: "50 millis" }, {});
    const late = yield* serving("late", {}, { deadline: "50 millis" });
    const gone = yield* serving("gone", {}, {});
    // Its stdout is a pipe that is not read.
    const pipeline = (path: string) =>
      start("sh", ["-c", '"$1" | sleep 5', "sh", path], { detached: true });
    const [first, second, third] = [
      yield* pipeline(stalled),
      yield* pipeline(late),
      yield* pipeline(gone),
    ];
    while (outcomes.length < 2) {
      assert.equal((yield* execute(gone, ["small"])).status, 2);
    }
    assert.sameMembers(outcomes, ["stalled Failure", "late Failure"]);
    for (const { pid } of [first, second, third]) process.kill(-pid, "SIGKILL");
    while (outcomes.length < 3) yield* Effect.sleep(5);
    assert.equal(outcomes[2], "gone Failure");
  });
});

describe("what the stub does with an answer that is wrong", () => {
  /** A server that sends these bytes to each client. */
  const lying = (bytes: Uint8Array) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory;
      symlinkSync(stubPath, `${directory}/stub`);
      yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createServer((socket) => {
            socket.on("error", () => {});
            socket.once("data", () => socket.end(bytes));
          });
          server.listen(`${directory}/stub.sock`, () => resume(Effect.succeed(server)));
        }),
        (server) => Effect.promise(() => new Promise((closed) => server.close(closed))),
      );
      return yield* execute(`${directory}/stub`, ["x"]);
    });
  const u32s = (...values: ReadonlyArray<number>) => Buffer.from(Uint32Array.from(values).buffer);
  const welcome = (status: number, size = 0, flags = 0) =>
    Buffer.concat([Buffer.from("rsyscall"), u32s(1, status, size, flags)]);
  const exit = u32s(3, 0);
  const wrong: Record<string, Uint8Array> = {
    "another status": Buffer.concat([welcome(4), exit]),
    "a reply with a size": Buffer.concat([welcome(2, 8), exit]),
    "a reply with a flag": Buffer.concat([welcome(2, 0, 1), exit]),
    "a reply without an end": Buffer.concat([welcome(2), u32s(1, 2), Buffer.from("hi")]),
    "a reply that is cut in output": Buffer.concat([welcome(2), u32s(1, 3), Buffer.from("hi")]),
    "bytes behind the end": Buffer.concat([welcome(2), exit, Buffer.from("x")]),
    "a status of 256": Buffer.concat([welcome(2), u32s(3, 256)]),
    "a part of 2 MiB": Buffer.concat([welcome(2), u32s(1, 0x200000), Buffer.alloc(0x200000), exit]),
    "an exec of 16 bytes": Buffer.concat([welcome(3, 16), Buffer.alloc(16)]),
    "an exec of 4 GiB": Buffer.concat([welcome(3, 0xffffffff), Buffer.alloc(64)]),
    "an exec without its end": Buffer.concat([welcome(3, 40), u32s(4, 1, 0, 1, 4, 0, 0, 0)]),
    "an exec whose sizes differ": Buffer.concat([
      welcome(3, 40),
      u32s(4, 1, 0, 1, 5, 0, 0, 0),
      Buffer.from("/x\0\0a\0\0\0"),
    ]),
  };
  for (const [what, bytes] of Object.entries(wrong))
    it(`says so and exits with 69: ${what}`, function* () {
      const { status, stderr } = yield* lying(bytes);
      assert.equal(status, 69);
      assert.match(stderr.toString(), /^stub: rsyscall: .*(server|controller)/);
    });
});
