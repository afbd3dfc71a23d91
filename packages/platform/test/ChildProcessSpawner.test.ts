import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { SIG } from "@rsyscall/abi";
import { chdir, setresgid, setresuid } from "@rsyscall/handle";
import { hasEnded, it, launchStub, notRoot, tempDirectory, untilEnded } from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import {
  Deferred,
  Effect,
  Exit,
  Fiber,
  PlatformError,
  Redacted,
  Scope,
  Sink,
  Stream,
} from "effect";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import { assert, describe } from "vitest";
import { ThreadChildProcessSpawner } from "../src/index.ts";
import { threadKinds } from "./threadKinds.ts";

type Handle = ChildProcessSpawner.ChildProcessHandle;
type Needs = Scope.Scope | LocalThread | ChildProcessSpawner.ChildProcessSpawner;

const { make, pipeTo } = ChildProcess;

const encode = (text: string) => new TextEncoder().encode(text);

const textOf = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Stream.mkString(Stream.decodeText(stream));

/** A shell script; its arguments are $1 and so on. */
const sh = (
  script: string,
  options: ChildProcess.CommandOptions = {},
  ...args: ReadonlyArray<string>
) => make("sh", ["-c", script, "sh", ...args], options);

const outputOf = (command: ChildProcess.Command) =>
  Effect.scoped(Effect.flatMap(command, ({ stdout }) => textOf(stdout)));

const statusOf = (command: ChildProcess.Command) =>
  Effect.scoped(Effect.flatMap(command, ({ exitCode }) => exitCode));

const write = (text: string, sink: Handle["stdin"]) => Stream.run(Stream.make(encode(text)), sink);

/** Why an effect fails. */
const reasonOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason);

/** As the reason is to be matched: its tag, and what failed. */
const failureOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(reasonOf(effect), ({ _tag, module, method }) => `${_tag}: ${module}.${method}`);

/** Waits for the next line of a program, which goes on. */
const nextLine = ({ stdout }: Handle) =>
  Effect.map(
    Stream.runCollect(Stream.take(Stream.splitLines(Stream.decodeText(stdout)), 1)),
    ([line]) => line as string,
  );

/** Ignores SIGTERM. */
const STUBBORN = "trap '' TERM; echo ready; exec sleep 1000";

/**
 * Starts a child in the background, and waits for it, even when it is to end itself. The child tells its
 * pid when it is no copy of the shell any more, with the trap of the shell.
 */
const FAMILY = "trap : TERM; sh -c 'echo $$; exec sleep 1000' & wait; wait";

for (const { name, thread: open, missing } of threadKinds)
  describe(`programs of ${name}`, () => {
    const test = (
      title: string,
      body: (thread: Thread) => Generator<Effect.Effect<unknown, unknown, Needs>, void, never>,
      timeout?: number,
    ) =>
      it.skipIf(missing)(
        title,
        function* () {
          const thread = yield* open;
          yield* Effect.provide(
            Effect.gen(() => body(thread) as never),
            ThreadChildProcessSpawner.layer(thread),
          );
        },
        timeout,
      );

    test("write what can be read, and tell how they ended", function* (thread) {
      const handle = yield* sh('echo "$PPID:$1"; echo oops >&2; exit 7', {}, " a  b$HOME\n");
      assert.equal(yield* textOf(handle.stdout), `${thread.task.pid}: a  b$HOME\n\n`);
      assert.equal(yield* textOf(handle.stderr), "oops\n");
      assert.equal(yield* handle.exitCode, 7);
      assert.equal(yield* handle.exitCode, 7);
      assert.isFalse(yield* handle.isRunning);
      assert.isTrue(hasEnded(handle.pid));
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner;
      assert.equal(yield* spawner.string(sh("echo a; echo b >&2")), "a\n");
      assert.equal(yield* spawner.exitCode(sh("seq 100000; exit 3")), 3);
      const command = sh("echo a; sleep 0.01; echo b >&2");
      assert.deepEqual(yield* spawner.lines(command, { includeStderr: true }), ["a", "b"]);
    });

    test("have pipes, and no descriptor that is not theirs", function* () {
      const handle = yield* sh("read wait");
      const fds = (pid: number) => [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
      for (const link of fds(handle.pid)) assert.match(link, /^pipe:/);
      const before = yield* outputOf(make("ls", ["/proc/self/fd"], { stdin: "ignore" }));
      const crowd = yield* Effect.replicateEffect(sh("read wait"), 5);
      assert.equal(yield* outputOf(make("ls", ["/proc/self/fd"], { stdin: "ignore" })), before);
      // Each has the only other end of its stdin.
      for (const { stdin, exitCode } of [handle, ...crowd]) {
        yield* write("\n", stdin);
        assert.equal(yield* exitCode, 0);
      }
    });

    test("are found by the PATH of their environment", function* () {
      const directory = yield* tempDirectory;
      // Without an interpreter it is the shell's, as for execvp(3).
      writeFileSync(`${directory}/found`, 'echo "$0 $1"', { mode: 0o755 });
      writeFileSync(`${directory}/unfound`, "", { mode: 0o644 });
      const PATH = directory;
      assert.equal(
        yield* outputOf(make("found", ["x"], { env: { PATH } })),
        `${directory}/found x\n`,
      );
      assert.equal(
        yield* outputOf(make("found", ["y"], { env: { PATH: `/none:${PATH}` }, extendEnv: true })),
        `${directory}/found y\n`,
      );
      assert.equal(yield* outputOf(make("./found", [], { cwd: directory, env: {} })), "./found \n");
      assert.match(
        yield* outputOf(make("found", [], { cwd: directory, env: { PATH: "." } })),
        /^(\.\/)?found \n$/,
      );
      // Where nothing else is said.
      assert.equal(yield* outputOf(make("echo", ["hi"], { env: { A: "b" } })), "hi\n");
      assert.equal(
        yield* failureOf(make("found", [], { env: { PATH: "/none" } })),
        "NotFound: ChildProcess.spawn",
      );
      assert.equal(
        yield* failureOf(make("unfound", [], { env: { PATH } })),
        "PermissionDenied: ChildProcess.spawn",
      );
    });

    test("have the environment that they are given", function* (thread) {
      yield* thread.environ.set("KEPT", "kept");
      yield* thread.environ.set("GONE", "gone");
      const env = (options: ChildProcess.CommandOptions) =>
        Effect.map(outputOf(make("/usr/bin/env", [], options)), (text) =>
          text.split("\n").filter((line) => /^(KEPT|GONE|NEW|SECRET)=/.test(line)),
        );
      assert.deepEqual(yield* env({}), ["KEPT=kept", "GONE=gone"]);
      assert.deepEqual(yield* env({ env: { NEW: "a=b" } }), ["NEW=a=b"]);
      assert.equal(yield* outputOf(make("/usr/bin/env", [], { env: {} })), "");
      const changed = { NEW: "", GONE: undefined, SECRET: Redacted.make("s") };
      assert.deepEqual(yield* env({ env: changed, extendEnv: true }), [
        "KEPT=kept",
        "NEW=",
        "SECRET=s",
      ]);
      const command = ChildProcess.setEnv(sh("echo $A$B", { env: { A: "1", B: "1" } }), { B: "2" });
      assert.equal(yield* outputOf(command), "12\n");
      const hidden = make("echo", [Redacted.make("secret")]);
      assert.equal(yield* outputOf(hidden), "secret\n");
    });

    test("have no signal blocked or ignored", function* () {
      // Nor after one that broke a pipe, which must not end the process that wrote to it.
      const gone = yield* make("true");
      yield* gone.exitCode;
      yield* Effect.flip(write("x", gone.stdin));
      const status = yield* outputOf(
        make("grep", ["-E", "^Sig(Pnd|Blk|Ign)", "/proc/self/status"]),
      );
      assert.match(status, /^(Sig(Pnd|Blk|Ign):\t0{16}\n){3}$/);
    });

    test("run in a directory, or as the script of a shell", function* (thread) {
      const directory = yield* tempDirectory;
      assert.equal(yield* outputOf(make("pwd", [], { cwd: directory })), `${directory}\n`);
      yield* chdir(thread, "/").pipe(Effect.when(Effect.succeed(thread !== (yield* LocalThread))));
      const own = readlinkSync(`/proc/${thread.task.pid}/cwd`);
      assert.equal(yield* outputOf(make("pwd")), `${own}\n`);
      assert.equal(yield* outputOf(make("echo $0 | tr a-z A-Z", { shell: true })), "/BIN/SH\n");
      assert.equal(yield* outputOf(make("echo $0", { shell: "sh" })), "sh\n");
      assert.equal(yield* failureOf(make("", { shell: "/no/sh" })), "NotFound: ChildProcess.spawn");
    });

    test("that cannot be started are PlatformErrors", function* () {
      const directory = yield* tempDirectory;
      writeFileSync(`${directory}/loop`, "#!/no/such/interpreter\n", { mode: 0o755 });
      const spawn = "ChildProcess.spawn";
      const access = "FileSystem.access";
      for (const [command, expected] of [
        [make("no-such-program", ["a"]), `NotFound: ${spawn}`],
        [make("/no/such", ["a"]), `NotFound: ${spawn}`],
        [make(""), `NotFound: ${spawn}`],
        [make(`${directory}/loop`), `NotFound: ${spawn}`],
        [make("/etc/passwd"), `PermissionDenied: ${spawn}`],
        [make(directory), `PermissionDenied: ${spawn}`],
        [make("/etc/passwd/x"), `BadResource: ${spawn}`],
        [make("true", { cwd: "/no/such" }), `NotFound: ${access}`],
        [make("true", { cwd: "" }), `NotFound: ${access}`],
        [make("true", { cwd: "/etc/passwd" }), `BadResource: ${access}`],
        [make("true", { cwd: "/\0" }), `BadArgument: ${access}`],
        [make("true\0"), `BadArgument: ${spawn}`],
        [make("true", ["a\0"]), `BadArgument: ${spawn}`],
        [make("true", ["\ud800"]), `BadArgument: ${spawn}`],
        [make("true", [1 as never]), `BadArgument: ${spawn}`],
        [make("true", { env: { A: "\0" } }), `BadArgument: ${spawn}`],
        [make("true", { env: { "A\0": "" } }), `BadArgument: ${spawn}`],
        [make("echo", ["a"], { shell: true }), `BadArgument: ${spawn}`],
        [make("echo", { shell: "/bin/sh\0" }), `BadArgument: ${spawn}`],
        [make("true", { killSignal: "SIGNONE" as never }), `BadArgument: ${spawn}`],
        [make("true", { killSignal: "SIGBREAK" }), `BadArgument: ${spawn}`],
        [make("true", { forceKillAfter: "soon" as never }), `BadArgument: ${spawn}`],
        [make("true", { stdin: "nothing" as never }), `BadArgument: ${spawn}`],
        [make("true", { stdout: { stream: "nothing" as never } }), `BadArgument: ${spawn}`],
        [
          make("true", { additionalFds: { fd3: { type: "both" as never } } }),
          `BadArgument: ${spawn}`,
        ],
        [
          make("true", { additionalFds: { fd99999999999: { type: "input" } } }),
          `BadArgument: ${spawn}`,
        ],
        [make("true", { additionalFds: { fd2147483647: { type: "input" } } }), `Unknown: ${spawn}`],
      ] as const)
        assert.equal(yield* failureOf(command), expected, command.command);
      const secret = make("no-such-program", ["a b", Redacted.make("secret")]);
      const reason = yield* reasonOf(secret);
      assert.propertyVal(reason, "pathOrDescriptor", "no-such-program 'a b' <redacted>");
      assert.notInclude(JSON.stringify(reason), "secret");
      const variable = make("true", { env: { A: Redacted.make("secret\0") } });
      assert.notInclude(JSON.stringify(yield* reasonOf(variable)), "secret");
    });

    test("read what they are given", function* () {
      const stdin = Stream.make(encode("a"), encode("b"));
      assert.equal(yield* outputOf(make("cat", { stdin })), "ab");
      assert.equal(yield* outputOf(make("cat", { stdin: { stream: stdin } })), "ab");
      assert.equal(yield* outputOf(make("cat", { stdin: "ignore" })), "");
      const cat = yield* make("cat");
      yield* write("one", cat.stdin);
      assert.equal(yield* textOf(cat.stdout), "one");
      const late = write("late", cat.stdin);
      assert.equal(yield* failureOf(late), "Unknown: ChildProcess.fromWritable(stdin)");
      // With its end left open, it can be written to again.
      const head = yield* make("head", ["-n2"], { stdin: { stream: "pipe", endOnDone: false } });
      yield* write("a\n", head.stdin);
      yield* write("b\n", head.stdin);
      assert.equal(yield* textOf(head.stdout), "a\nb\n");
      const half = { stream: Stream.make(encode("a\n")), endOnDone: false };
      const open = yield* sh("read x; echo $x; read x", { stdin: half });
      assert.equal(yield* nextLine(open), "a");
      assert.isTrue(yield* open.isRunning);
      // Text is no input by its type, but Effect's own takes it.
      const latin = { stream: Stream.make("\u00e9" as never), encoding: "latin1" as const };
      assert.equal(yield* outputOf(sh("od -An -tx1", { stdin: latin })), " e9\n");
    });

    test("may stop reading, and may be given what fails", function* () {
      const stdin = Stream.forever(Stream.make(new Uint8Array(65536)));
      assert.equal(yield* statusOf(make("true", { stdin })), 0);
      assert.equal(yield* outputOf(make("head", ["-c3"], { stdin })), "\0\0\0");
      const gone = yield* make("true");
      yield* gone.exitCode;
      assert.equal(
        yield* failureOf(write("x", gone.stdin)),
        "Unknown: ChildProcess.fromWritable(stdin)",
      );
      const boom = PlatformError.badArgument({ module: "M", method: "m" });
      const failing = Stream.concat(Stream.make(encode("a")), Stream.fail(boom));
      const handle = yield* sh("cat; exit 3", { stdin: failing });
      assert.equal(yield* textOf(handle.stdout), "a");
      assert.equal(yield* Effect.flip(handle.exitCode), boom);
      const died = yield* Effect.exit(statusOf(make("cat", { stdin: Stream.die("defect") })));
      assert.isTrue(Exit.hasDies(died));
    });

    test("write where they are told to", function* () {
      const both = "echo out; echo err >&2";
      const count = Sink.make<Uint8Array>()(
        Stream.runFold(
          () => 0,
          (sum, bytes) => sum + bytes.length,
        ),
        Effect.map((sum) => encode(`${sum} bytes`)),
      );
      assert.equal(yield* outputOf(sh(both, { stdout: count })), "4 bytes");
      const handle = yield* sh(both, { stdout: "ignore", stderr: { stream: count } });
      assert.equal(yield* textOf(handle.stdout), "");
      assert.equal(yield* textOf(handle.stderr), "4 bytes");
      assert.equal(
        yield* Effect.flatMap(sh(both, { stdout: {} }), ({ all }) => textOf(all)).pipe(
          Effect.map((text) => text.split("\n").sort().join()),
        ),
        ",err,out",
      );
      const where = sh("x=$(readlink /proc/$$/fd/1); echo $x >&2", { stdout: "ignore" });
      assert.equal(yield* Effect.flatMap(where, ({ stderr }) => textOf(stderr)), "/dev/null\n");
    });

    test("have what the Thread has where they inherit it", function* (thread) {
      const links = 'x=$(readlink /proc/$$/fd/0 /proc/$$/fd/1); echo "$x" >&2';
      const handle = yield* sh(links, { stdin: "inherit", stdout: "inherit" });
      const own = [0, 1].map((fd) => `${readlinkSync(`/proc/${thread.task.pid}/fd/${fd}`)}\n`);
      assert.equal(yield* textOf(handle.stderr), own.join(""));
      yield* write("", handle.stdin);
      assert.equal(yield* textOf(handle.stdout), "");
    });

    test("have more descriptors by their numbers", function* () {
      const input = { type: "input", stream: Stream.make(encode("in")) } as const;
      const sink = Sink.map(Sink.drain, () => encode("drained"));
      const handle = yield* sh("cat <&5; echo three >&3; echo four >&4; echo seven >&7", {
        additionalFds: {
          fd7: { type: "output", sink },
          fd3: { type: "output" },
          fd4: { type: "output" },
          fd5: input,
          fd2: { type: "input" },
        },
      });
      assert.equal(yield* textOf(handle.stdout), "in");
      assert.equal(yield* textOf(handle.getOutputFd(3)), "three\n");
      assert.equal(yield* textOf(handle.getOutputFd(4)), "four\n");
      assert.equal(yield* textOf(handle.getOutputFd(7)), "drained");
      // What there is not is empty, and takes everything.
      assert.equal(yield* textOf(handle.getOutputFd(8)), "");
      yield* write("x", handle.getInputFd(3));
      // Whichever numbers are in use here.
      const numbers = Array.from({ length: 60 }, (_, i) => i + 3);
      const many = yield* make(
        "python3",
        ["-ISc", `import os\nfor n in ${JSON.stringify(numbers)}: os.write(n, b'%d' % n)`],
        {
          additionalFds: Object.fromEntries(
            [...numbers].reverse().map((number) => [`fd${number}`, { type: "output" }]),
          ),
        },
      );
      for (const number of numbers)
        assert.equal(yield* textOf(many.getOutputFd(number)), String(number));
    });

    test("talk over duplex descriptors", function* () {
      const talk = "while read x; do echo got $x; done <&3 >&3; echo end >&3";
      const handle = yield* sh(talk, { additionalFds: { fd3: { type: "duplex" } } });
      yield* write("a\nb\n", handle.getInputFd(3));
      assert.equal(yield* textOf(handle.getOutputFd(3)), "got a\ngot b\nend\n");
      const stream = Stream.make(encode("c\n"));
      const given = yield* sh(talk, { additionalFds: { fd3: { type: "duplex", stream } } });
      assert.equal(yield* textOf(given.getOutputFd(3)), "got c\nend\n");
      const left = { additionalFds: { fd3: { type: "duplex" } } } as const;
      const pipe = sh("echo left >&3", left).pipe(
        pipeTo(sh("cat <&3; echo back >&3", left), { from: "fd3", to: "fd3" }),
      );
      const right = yield* pipe;
      assert.equal(yield* textOf(right.stdout), "left\n");
      assert.equal(yield* textOf(right.getOutputFd(3)), "back\n");
    });

    test("are piped into each other", function* () {
      const cat = make("cat");
      const both = sh("echo out; echo err >&2");
      const upper = make("tr", ["a-z", "A-Z"]);
      const links = sh("readlink /proc/$$/fd/0");
      const fd4 = { additionalFds: { fd4: { type: "output" } } } as const;
      const drained = Sink.map(Sink.drain, () => encode("drained"));
      const text = Stream.make(encode("text"));
      for (const [command, expected] of [
        [both.pipe(pipeTo(upper)), "OUT\n"],
        [both.pipe(pipeTo(upper, {}), pipeTo(make("tr", ["O", "-"]))), "-UT\n"],
        [both.pipe(pipeTo(upper.pipe(pipeTo(make("tr", ["O", "-"]))))), "-UT\n"],
        [both.pipe(pipeTo(upper, { from: "stderr", to: "stdin" })), "ERR\n"],
        [both.pipe(pipeTo(make("sort"), { from: "all" })), "err\nout\n"],
        [
          sh("echo four >&4", fd4).pipe(pipeTo(sh("cat <&6"), { from: "fd4", to: "fd6" })),
          "four\n",
        ],
        // What is not there is empty.
        [both.pipe(pipeTo(cat, { from: "fd5" })), ""],
        [sh("echo x", { stdout: "ignore" }).pipe(pipeTo(cat)), ""],
        [sh("echo x", { stdout: drained }).pipe(pipeTo(cat)), "drained"],
        [
          sh("echo x; echo y >&2", { stdout: drained }).pipe(
            // In any order.
            pipeTo(make("wc", ["-c"]), { from: "all" }),
          ),
          "9\n",
        ],
        // The pipe comes before what else the next one would read.
        [both.pipe(pipeTo(make("cat", { stdin: "ignore" }))), "out\n"],
        [both.pipe(pipeTo(make("cat", { stdin: text }))), "out\n"],
        [both.pipe(pipeTo(sh("cat; echo end", { stdin: { stream: "pipe" } }))), "out\nend\n"],
        [
          both.pipe(pipeTo(sh("read x; echo $x", { stdin: { stream: "pipe", endOnDone: false } }))),
          "out\n",
        ],
      ] as const)
        assert.equal(yield* outputOf(command), expected);
      assert.match(yield* outputOf(both.pipe(pipeTo(links))), /^pipe:/);
      const handle = yield* cat.pipe(pipeTo(sh("cat; echo err >&2; exit 4")));
      yield* write("first", handle.stdin);
      assert.equal(yield* textOf(handle.stdout), "first");
      assert.equal(yield* textOf(handle.stderr), "err\n");
      assert.equal(yield* handle.exitCode, 4);
    });

    test("are told when their reader is gone", function* () {
      const directory = yield* tempDirectory;
      const left = "trap '' PIPE; while echo y; do :; done 2>/dev/null; echo gone >>\"$1\"";
      const first = { stream: "pipe", endOnDone: false } as const;
      // Directly, and through us.
      for (const stdin of ["pipe", first] as const) {
        const log = `${directory}/${typeof stdin}`;
        const to = make("head", ["-n1"], { stdin });
        const handle = yield* sh(left, {}, log).pipe(pipeTo(to));
        assert.equal(yield* textOf(handle.stdout), "y\n");
        while (!existsSync(log)) yield* Effect.yieldNow;
      }
    });

    test("of a pipeline end if one of them cannot be started", function* () {
      const directory = yield* tempDirectory;
      const left = sh('echo $$ >"$1"; cat', {}, `${directory}/pid`);
      const wait = sh('until [ -s "$1" ]; do :; done; cat', {}, `${directory}/pid`);
      const command = left.pipe(pipeTo(wait), pipeTo(make("no-such-program")));
      assert.equal(yield* failureOf(command), "NotFound: ChildProcess.spawn");
      const pid = Number(readFileSync(`${directory}/pid`, "latin1") || 0);
      if (pid > 0) assert.isTrue(hasEnded(pid));
    });

    test("are killed", function* () {
      const sleep = yield* make("sleep", ["1000"]);
      assert.isTrue(yield* sleep.isRunning);
      yield* sleep.kill();
      assert.isFalse(yield* sleep.isRunning);
      const reason = yield* reasonOf(sleep.exitCode);
      assert.deepInclude(reason, {
        _tag: "Unknown",
        module: "ChildProcess",
        method: "exitCode",
        description: "the process was killed by SIGTERM",
        pathOrDescriptor: "sleep 1000",
      });
      assert.equal(yield* failureOf(sleep.kill()), "Unknown: ChildProcess.kill");
      // What the command says is for its scope.
      const trap = yield* sh(
        "trap 'exit 8' INT; trap 'exit 9' TERM; echo ready; while :; do read x; done",
        {
          killSignal: "SIGINT",
        },
      );
      yield* nextLine(trap);
      for (const killSignal of ["SIGNONE", "SIGBREAK", 0] as const)
        assert.equal(
          yield* failureOf(trap.kill({ killSignal: killSignal as never })),
          "BadArgument: ChildProcess.kill",
        );
      yield* trap.kill();
      assert.equal(yield* trap.exitCode, 9);
      const stubborn = yield* sh(STUBBORN);
      yield* nextLine(stubborn);
      const killing = yield* Effect.forkChild(stubborn.kill(), { startImmediately: true });
      yield* stubborn.kill({ forceKillAfter: "20 millis" });
      yield* Fiber.join(killing);
      assert.propertyVal(
        yield* reasonOf(stubborn.exitCode),
        "description",
        "the process was killed by SIGKILL",
      );
    });

    test("are killed with the group that they lead", function* () {
      const family = yield* sh(FAMILY);
      const descendant = Number(yield* nextLine(family));
      yield* family.kill();
      assert.isTrue(hasEnded(descendant));
      const alone = yield* sh(FAMILY, { detached: false });
      const orphan = Number(yield* nextLine(alone));
      yield* alone.kill({ killSignal: "SIGKILL" });
      assert.isFalse(hasEnded(orphan));
      process.kill(orphan, SIG.KILL);
      const left = sh("echo $$; exec sleep 1000 >&2");
      const pipeline = yield* left.pipe(pipeTo(sh("cat; exec sleep 1000")));
      const first = Number(yield* nextLine(pipeline));
      yield* pipeline.kill();
      assert.isTrue(hasEnded(first));
      assert.isTrue(hasEnded(pipeline.pid));
      // Some may have ended already.
      yield* pipeline.kill();
    });

    test("have a session of their own, unless they are not detached", function* (thread) {
      const session = "ps -o pid=,pgid=,sid= -p $$";
      const numbers = (text: string) => text.trim().split(/\s+/).map(Number);
      const own = yield* sh(session);
      assert.deepEqual(numbers(yield* textOf(own.stdout)), [own.pid, own.pid, own.pid]);
      const with_ = yield* sh(session, { detached: false });
      const [pid, ...rest] = numbers(yield* textOf(with_.stdout));
      assert.equal(pid, with_.pid);
      const { task } = thread;
      const ofThread = yield* outputOf(make("ps", ["-o", "pgid=,sid=", "-p", String(task.pid)]));
      assert.deepEqual(rest, numbers(ofThread));
    });

    test("end with their scope, as they are told to", function* () {
      const inScope = (command: ChildProcess.Command) =>
        Effect.scoped(
          Effect.gen(function* () {
            const handle = yield* command;
            return { pid: handle.pid, line: yield* nextLine(handle) };
          }),
        );
      const directory = yield* tempDirectory;
      const log = `${directory}/log`;
      const polite = 'trap "echo $1 >>$2; exit" $1; echo ready; while :; do read x; done';
      const int = yield* inScope(sh(polite, { killSignal: "SIGINT" }, "INT", log));
      assert.isTrue(hasEnded(int.pid));
      yield* inScope(sh(polite, {}, "TERM", log));
      assert.equal(readFileSync(log, "latin1"), "INT\nTERM\n");
      const { pid } = yield* inScope(sh(STUBBORN, { forceKillAfter: "20 millis" }));
      assert.isTrue(hasEnded(pid));
      const { line } = yield* inScope(sh(FAMILY));
      assert.isTrue(hasEnded(Number(line)));
      // The leader has gone before.
      const orphan = yield* Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* sh("sleep 1000 & echo $!");
          const orphan = Number(yield* nextLine(handle));
          assert.equal(yield* handle.exitCode, 0);
          assert.isFalse(hasEnded(orphan));
          return orphan;
        }),
      );
      assert.isTrue(hasEnded(orphan));
    });

    test("take along what they leave behind, if they fail", function* () {
      const failing = (options: ChildProcess.CommandOptions = {}) =>
        sh("sleep 1000 >&2 & echo $!; read x; exit 3", options);
      const handle = yield* failing({ stdin: { stream: "pipe", endOnDone: false } });
      const left = Number(yield* nextLine(handle));
      yield* write("\n", handle.stdin);
      assert.equal(yield* handle.exitCode, 3);
      yield* untilEnded(left);
      // Even if they were unref'ed.
      const scope = yield* Scope.make();
      const file = `${yield* tempDirectory}/pid`;
      const until = `sleep 1000 & echo $! >${file}; until [ -s ${file}2 ]; do sleep 0.01; done; exit 4`;
      const unrefed = yield* Scope.provide(sh(until, { stdout: "ignore" }), scope);
      yield* unrefed.unref;
      yield* Scope.close(scope, Exit.void);
      while (!existsSync(file) || readFileSync(file).length === 0) yield* Effect.sleep(1);
      const orphan = Number(readFileSync(file, "latin1"));
      assert.isFalse(hasEnded(orphan));
      writeFileSync(`${file}2`, "go");
      assert.equal(yield* unrefed.exitCode, 4);
      yield* untilEnded(orphan);
      // It has no group of its own.
      const alone = yield* failing({ detached: false });
      const other = Number(yield* nextLine(alone));
      yield* write("\n", alone.stdin);
      assert.equal(yield* alone.exitCode, 3);
      assert.isFalse(hasEnded(other));
      process.kill(other, SIG.KILL);
    });

    test("may be left alone", function* () {
      const sleep = make("sleep", ["1000"], { stdin: "ignore", stdout: "ignore" });
      const left = yield* Effect.scoped(Effect.tap(sleep, ({ unref }) => unref));
      assert.isFalse(hasEnded(left.pid));
      assert.isTrue(yield* left.isRunning);
      process.kill(left.pid, SIG.KILL);
      assert.equal(yield* failureOf(left.exitCode), "Unknown: ChildProcess.exitCode");
      const kept = yield* Effect.scoped(Effect.tap(sleep, ({ unref }) => Effect.flatten(unref)));
      assert.isTrue(hasEnded(kept.pid));
      // And still be ended, with its group or alone.
      for (const detached of [true, false]) {
        const options = { stdin: "ignore", stdout: "ignore", detached } as const;
        const again = yield* Effect.scoped(
          Effect.tap(make("sleep", ["1000"], options), ({ unref }) => unref),
        );
        assert.isFalse(hasEnded(again.pid));
        yield* again.kill();
        assert.isTrue(hasEnded(again.pid));
        assert.isFalse(yield* again.isRunning);
        assert.equal(yield* failureOf(again.kill()), "Unknown: ChildProcess.kill");
      }
      // What they come to can still be asked for.
      const brief = sh("sleep 0.01; exit 0", { stdout: "ignore" });
      const ended = yield* Effect.scoped(Effect.tap(brief, ({ unref }) => unref));
      assert.equal(yield* ended.exitCode, 0);
      // All of a pipeline.
      const file = `${yield* tempDirectory}/pid`;
      const first = sh(`echo $$ >${file}; echo; exec sleep 1000`, { stdin: "ignore" });
      const last = sh(`read x; exec sleep 1000`, { stdout: "ignore" });
      const pipeline = yield* Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* first.pipe(pipeTo(last));
          yield* handle.unref;
          return handle;
        }),
      );
      while (!existsSync(file) || readFileSync(file).length === 0) yield* Effect.sleep(1);
      for (const pid of [Number(readFileSync(file, "latin1")), pipeline.pid]) {
        assert.isFalse(hasEnded(pid));
        process.kill(pid, SIG.KILL);
        // They are reaped.
        while (existsSync(`/proc/${pid}`)) yield* Effect.sleep(1);
      }
    });

    test("write as fast as they are read, and no faster", function* () {
      const size = 256 * 1024 * 1024;
      const handle = yield* make("head", ["-c", String(size), "/dev/zero"]);
      const first = yield* Stream.runCollect(Stream.take(handle.stdout, 1));
      // A pipe holds little.
      assert.isTrue(yield* handle.isRunning);
      let most = 0;
      const before = process.memoryUsage().rss;
      const rest = yield* Stream.runFold(
        handle.stdout,
        () => 0,
        (sum, bytes) => {
          most = Math.max(most, process.memoryUsage.rss() - before);
          return sum + bytes.length;
        },
      );
      assert.equal(rest + (first[0]?.length ?? 0), size);
      // What was read is garbage, of which the collector leaves up to half as much as that for a while.
      assert.isBelow(most, (3 * size) / 4);
      assert.equal(yield* handle.exitCode, 0);
      // And so through a program.
      const part = Buffer.alloc(256 * 1024, 7);
      const stdin = Stream.take(Stream.forever(Stream.make(part)), 64);
      const cat = yield* make("cat", { stdin });
      const through = yield* Stream.runFold(
        cat.stdout,
        () => 0,
        (sum, bytes) =>
          part.subarray(0, bytes.length).equals(bytes) ? sum + bytes.length : Number.NaN,
      );
      assert.equal(through, 64 * part.length);
    });

    test("can be waited for by a fiber that is interrupted, and nothing is lost", function* () {
      const cat = yield* make("cat");
      for (const waiting of [
        textOf(cat.stdout),
        cat.exitCode,
        cat.kill({ killSignal: "SIGWINCH" }),
      ]) {
        const fiber = yield* Effect.forkChild(waiting, { startImmediately: true });
        yield* Fiber.interrupt(fiber);
      }
      yield* write("still here", cat.stdin);
      assert.equal(yield* textOf(cat.stdout), "still here");
      // One that is not read.
      const full = yield* make("sleep", ["1000"]);
      const started = yield* Deferred.make<void>();
      const much = Stream.forever(
        Stream.mapEffect(Stream.make(new Uint8Array(1 << 20)), (bytes) =>
          Effect.as(Deferred.succeed(started, undefined), bytes),
        ),
      );
      const writing = yield* Effect.forkChild(Stream.run(much, full.stdin));
      yield* Deferred.await(started);
      yield* Fiber.interrupt(writing);
    });

    test("run many at once", function* () {
      const texts = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => i),
        (i) => outputOf(make("echo", [String(i)]).pipe(pipeTo(make("cat")))),
        { concurrency: "unbounded" },
      );
      assert.deepEqual(
        texts,
        Array.from({ length: 20 }, (_, i) => `${i}\n`),
      );
    });
  });

const over = <A, E, R>(
  thread: Thread,
  effect: Effect.Effect<A, E, R | ChildProcessSpawner.ChildProcessSpawner>,
) => Effect.provide(effect, ThreadChildProcessSpawner.layer(thread));

it("a program outlives the Thread that started it, but not its scope", function* () {
  const local = yield* LocalThread;
  const child = yield* local.fork();
  const scope = yield* Scope.make();
  const sleep = yield* Scope.provide(over(child, make("sleep", ["1000"])), scope);
  const dependent = yield* Scope.provide(
    over(child, make("sleep", ["1000"], { detached: false })),
    scope,
  );
  yield* child.process.kill(SIG.KILL);
  yield* child.process.wait();
  yield* untilEnded(dependent.pid);
  assert.isFalse(hasEnded(sleep.pid));
  assert.equal(yield* failureOf(over(child, make("true"))), "Unknown: ChildProcess.spawn");
  yield* Scope.close(scope, Exit.void);
  yield* untilEnded(sleep.pid);
});

it("a gigabyte of a program of a stub goes through little memory", function* () {
  const { call } = yield* launchStub;
  const size = 2 ** 30;
  const before = process.memoryUsage.rss();
  let most = 0;
  const read = yield* over(
    call.thread,
    Effect.scoped(
      Effect.flatMap(make("head", ["-c", String(size), "/dev/zero"]), ({ stdout }) =>
        Stream.runFold(
          stdout,
          () => 0,
          (sum, bytes) => {
            most = Math.max(most, process.memoryUsage.rss() - before);
            return sum + bytes.length;
          },
        ),
      ),
    ),
  );
  assert.equal(read, size);
  // What was read is garbage, and that is all there is.
  assert.isBelow(most, size / 8);
});

it("a program inherits what the caller of a stub has", function* () {
  const { call, caller } = yield* launchStub;
  const status = yield* over(
    call.thread,
    Effect.gen(function* () {
      const handle = yield* sh('read x; echo "said $x"', { stdin: "inherit", stdout: "inherit" });
      caller.stdin?.write("hello\n");
      yield* caller.line((line) => line === "said hello");
      return yield* handle.exitCode;
    }),
  );
  assert.equal(status, 0);
});

it.skipIf(notRoot)("a program of another user may open its own stdin again", function* () {
  const { call } = yield* launchStub;
  const nobody = { real: 65534, effective: 65534, saved: 65534 };
  yield* setresgid(call.thread.task, nobody);
  yield* setresuid(call.thread.task, nobody);
  const cat = make("cat", ["/dev/stdin"], { stdin: Stream.make(encode("again")), cwd: "/" });
  assert.equal(yield* over(call.thread, outputOf(cat)), "again");
});
