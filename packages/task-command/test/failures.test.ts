import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { aarch64 } from "@rsyscall/abi";
import { it, missing, notRoot, tempDirectory } from "@rsyscall/harness";
import { hello } from "@rsyscall/harness/stubClient";
import { CLOSE, CREDIT, DATA, END, frame, u32 } from "@rsyscall/harness/taskStream";
import { taskPath } from "@rsyscall/native";
import { getpid } from "@rsyscall/near";
import { Command, LocalThread } from "@rsyscall/thread";
import { LaunchError } from "@rsyscall/transport";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import { CommandTask, type CommandTaskOptions } from "../src/index.ts";
import { inMounts, NEEDED, only, places, script, type Through, through } from "./worlds.ts";

/*
 * Commands that lead to nothing: a typed error, in time, which says why and what can be done.
 */

/** The error of a launch that fails. */
const failure = (command: Through, options: CommandTaskOptions = {}) =>
  Effect.gen(function* () {
    const launched = CommandTask.make(yield* LocalThread, command, options);
    const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(launched)));
    assert.instanceOf(error, LaunchError);
    return error;
  });

const fails = (
  what: string,
  command: Through,
  message: RegExp,
  options: CommandTaskOptions = {},
  reason?: string,
) =>
  it.skipIf(reason)(`is told of, when it ${what}`, function* () {
    assert.match((yield* failure(command, options)).message, message);
  });

const short = { timeout: "500 millis" } as const;

describe("a command that is to lead to a shell", () => {
  fails(
    "ends at once",
    script("echo who are you >&2; exit 3"),
    /exited with status 3\nwho are you$/,
  );
  fails("is killed", script("echo ouch >&2; kill -9 $$"), /SIGKILL\nouch$/);
  fails(
    "says something else",
    script("echo hello; exit 4"),
    /it said "hello"; it exited with status 4/,
  );
  fails(
    "writes its words",
    (...words) => Command.make("/bin/echo", "hello", ...words),
    /: the command has written the words that it was given, and must execute them/,
  );
  fails("never stops", script("yes"), /no shell has begun behind it; it said "y\\ny/);
  fails("never ends its line", script("exec tr '[:cntrl:]' x < /dev/zero"), /it said "xxx/);
  fails(
    "says nothing",
    script("echo wait >&2; exec sleep 1000"),
    /no answer within 500ms: .*\nwait/,
    short,
  );
  fails(
    "has no stdout",
    script('"$@" >&-'),
    /no answer within 500ms; it exited with status 1\n.*echo/,
    short,
  );
  fails(
    "closes both",
    script("exec <&- >&-; echo deaf >&2; exec sleep 1000"),
    /ended before a shell began\ndeaf/,
  );
  fails(
    "leaves a process behind",
    script("sleep 1000 & echo $! >&2; trap 'kill $!' 0; exit 5"),
    /exited with status 5/,
  );

  it.skipIf(notRoot)("leaves no file, when it is given up", function* () {
    const directory = yield* tempDirectory;
    const files = () => readdirSync(directory);
    const silent = inMounts(
      [
        `mount --bind ${directory} /media; ${places("noexec")}; export TMPDIR=/media`,
        only(...NEEDED.filter((program) => program !== "head")),
        "echo '#!/bin/sh' > /mnt/head; echo 'exec /usr/bin/head -c 100000' >> /mnt/head",
        "/bin/chmod 755 /mnt/head",
      ].join("; "),
    );
    const { message } = yield* failure(silent, short);
    assert.match(message, /no answer within/);
    assert.deepEqual(files(), []);
    const launched = CommandTask.make(yield* LocalThread, silent);
    const fiber = yield* Effect.forkChild(Effect.scoped(launched));
    while (files().length === 0) yield* Effect.yieldNow;
    yield* Fiber.interrupt(fiber);
    assert.deepEqual(files(), []);
  });

  it("is told of with the command, and not with what it was given to execute", function* () {
    const { message, command } = yield* failure(script("exit 3"));
    assert.equal(command, "/bin/sh -c 'exit 3' sh /bin/sh -c ...");
    assert.equal(message, `${command}: it exited with status 3`);
  });

  it("may say a lot, of which the end is told", function* () {
    const { stderr } = yield* failure(
      script("head -c 200000 /dev/zero >&2; echo the end >&2; exit 1"),
    );
    assert.equal(stderr.length, 65536);
    assert.match(stderr, /the end\n$/);
  });
});

describe("a command that does not carry bytes", () => {
  const kinds = {
    Terminal: /its stdin or stdout is a terminal, .* leave out .*`-t`/,
    NoStdin: /its stdin has ended before anything came: .*`-i`/,
    NonblockingStdin: /its stdin does not block \(O_NONBLOCK\)/,
  } as const;
  const is = (kind: keyof typeof kinds, what: string, command: Through, reason?: string) => {
    for (const there of [{}, { executable: taskPath }])
      it.skipIf(reason)(
        `is told of as that, when it ${what}${"executable" in there ? ", to an executable" : ""}`,
        function* () {
          const error = yield* failure(command, { ...there, timeout: "5 seconds" });
          assert.equal(error.kind, kind, error.message);
          assert.match(error.message, kinds[kind]);
          assert.notInclude(error.message, "no answer");
        },
      );
  };

  /** Through a terminal of its own, as of `docker exec -t`. Python sends on what comes, either way. */
  const terminal = through(
    "/usr/bin/python3",
    "-c",
    [
      "import os, pty, sys",
      "pid, fd = pty.fork()",
      "if pid == 0: os.execv(sys.argv[1], sys.argv[1:])",
      "try:",
      "  while True: os.write(1, os.read(fd, 1024))",
      "except OSError: pass",
    ].join("\n"),
  );
  is("Terminal", "leads through a terminal", terminal, missing("python3"));
  is("NoStdin", "passes no stdin on", script('"$@" < /dev/null'));
  is("NoStdin", "has no stdin", script('"$@" <&-'));

  /** Sets O_NONBLOCK on stdin, as programs do that leave it so. */
  const nonblocking = through(
    "/usr/bin/python3",
    "-c",
    "import os, sys; os.set_blocking(0, False); os.execv(sys.argv[1], sys.argv[1:])",
  );

  it.skipIf(missing("python3") ?? missing("perl"))(
    "may have a stdin that does not block, where there is perl",
    function* () {
      for (const there of [{}, { executable: taskPath }])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { thread } = yield* CommandTask.make(yield* LocalThread, nonblocking, there);
            assert.isAbove(yield* getpid(thread.task.sysif), 1);
          }),
        );
    },
  );

  it.skipIf(missing("python3") ?? notRoot)(
    "is told of a stdin that does not block, where there is only a shell",
    function* () {
      const inner = inMounts(only(...NEEDED));
      const error = yield* failure((...words) => {
        const { executable, argv } = inner(...words);
        return nonblocking(executable.text, ...argv.slice(1).map(String));
      });
      assert.equal(error.kind, "NonblockingStdin");
      assert.match(error.message, kinds.NonblockingStdin);
    },
  );

  it("may be slow, and is told what can be done", function* () {
    const error = yield* failure(script('sleep 60; "$@"'), short);
    assert.equal(error.kind, "TimedOut");
    assert.match(error.message, /no answer within 500ms: a slow way.*needs more time \(`timeout`/);
  });

  it("is shown with nothing that a terminal would obey", function* () {
    const { message } = yield* failure(
      script(`printf '\\033[2J\\n'; printf 'a\\033]0;b\\007\\nc\\342\\200\\256d' >&2; exit 1`),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    assert.notMatch(message, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    assert.include(message, 'it said "\\x1b[2J"');
    assert.include(message, "\na\\x1b]0;b\\x07\nc\\u202ed");
  });
});

describe("a command that leads to another shell", () => {
  /** Where PATH has these programs, and one that is not what it should be. */
  const broken = (name: string, text: string): Through =>
    inMounts(
      [
        only(...NEEDED.filter((program) => program !== name)),
        `echo '${text}' > /mnt/${name}`,
        `/bin/chmod 755 /mnt/${name}`,
      ].join("; "),
    );
  fails(
    "has no chmod",
    inMounts(only("uname", "head", "ls", "wc", "rm")),
    /chmod: not found/,
    {},
    notRoot,
  );
  fails(
    "has no head -c",
    broken("head", "#!/bin/sh\necho head: what is -c >&2; exit 1"),
    /head: what is -c\nrsyscall: the executable has not arrived as a whole/,
    {},
    notRoot,
  );
  fails(
    "has no directory for programs",
    inMounts(`${places("noexec")}; ${only(...NEEDED)}`),
    /no directory has room for a program and lets it be executed: \/dev\/shm: .*Permission denied; \/tmp: /,
    {},
    notRoot,
  );
  fails(
    "has no directory that can be written to",
    inMounts(`${places("ro")}; ${only(...NEEDED)}`),
    /no directory has room.*Read-only file system/,
    {},
    notRoot,
  );
  fails(
    "has no room",
    inMounts(`${places("size=8k")}; ${only(...NEEDED)}`),
    /no directory has room.*: \/dev\/shm: .*(No space left on device|I\/O error)/,
    {},
    notRoot,
  );
  it.skipIf(notRoot)("is told of when there is none", function* () {
    const root = yield* tempDirectory;
    const { message } = yield* failure(through("/usr/sbin/chroot", root));
    assert.match(message, /exited with status 127: .*`executable`\n.*\/bin\/sh.*No such file/);
  });
});

describe("the machine that a command leads to", () => {
  /** It says that it is another. */
  const on = (machine: string) =>
    inMounts(
      `${only(...NEEDED)}; echo ${machine} > /mnt/arch; /bin/mount --bind /mnt/arch /proc/sys/kernel/arch`,
    );

  it.skipIf(notRoot)("may be one for which there is no executable", function* () {
    const { message } = yield* failure(on("riscv64"));
    assert.match(message, /a machine riscv64, and there are executables for x86_64.*`executables`/);
  });

  it("must be that of the executable", function* () {
    const directory = yield* tempDirectory;
    const [other, text] = [`${directory}/other`, `${directory}/text`];
    const program = readFileSync(taskPath);
    program.writeUInt16LE(aarch64.elfMachine, 18);
    writeFileSync(other, program);
    writeFileSync(text, "#!/bin/sh\n".padEnd(100));
    const plain = script('exec "$@"');
    const message = (executables: Record<string, string>) =>
      Effect.map(failure(plain, { executables }), (error) => error.message);
    assert.match(
      yield* message({ x86_64: other }),
      /other is a program for aarch64, .*to x86_64: give/,
    );
    assert.match(yield* message({ x86_64: text }), /text is no program/);
    assert.match(yield* message({ x86_64: "/no/such" }), /cannot read \/no\/such: .*ENOENT/);
  });

  it("must be that of the executable which is there", function* () {
    const executable = `${yield* tempDirectory}/task`;
    const program = readFileSync(taskPath);
    program.writeUInt16LE(aarch64.elfMachine, 18);
    writeFileSync(executable, program, { mode: 0o755 });
    const { message } = yield* failure(through("/usr/bin/env"), { executable });
    assert.match(message, /exited with status [12]\d*(: `executable` must be|\n)/);
  });
});

describe("what answers in the place of rsyscall-task", () => {
  /** Says these bytes, and keeps what it gets in a file. */
  const says = (...bytes: ReadonlyArray<Uint8Array>) =>
    Effect.map(tempDirectory, (directory) => {
      writeFileSync(`${directory}/said`, Buffer.concat(bytes));
      const command = () =>
        Command.make(
          "/bin/sh",
          "-c",
          'cat "$0/said"; exec dd bs=64k count=1 status=none of="$0/heard"',
          directory,
        );
      return { command, heard: () => readFileSync(`${directory}/heard`, "latin1") };
    });
  const there = { executable: "/no/matter", timeout: "5 seconds" } as const;

  it("may be of another version, which is told why it is not welcome", function* () {
    const { command, heard } = yield* says(
      frame(
        0,
        DATA,
        hello((view) => view.setUint32(8, 2, true)),
      ),
    );
    const { message } = yield* failure(command, there);
    assert.match(message, /speaks version 2 of the protocol, and the server 1: use/);
    assert.match(heard(), /speaks version 2/);
  });

  const lies: ReadonlyArray<[what: string, bytes: ReadonlyArray<Uint8Array>, message: RegExp]> = [
    [
      "text",
      [Buffer.from("Welcome to this host!\n")],
      /no rsyscall-task: it said "Welcome to this host!"; it exited with status 0$/,
    ],
    ["a frame that there is none of", [frame(0, 9)], /no rsyscall-task: .*a frame of type 9/],
    ["more credit than there is", [frame(0, CREDIT, u32(2 ** 31))], /more credit than a window/],
    [
      "data after the end",
      [frame(0, END), frame(0, DATA, u32(1))],
      /data after the end|HungUp|ended/,
    ],
    ["another hello", [frame(0, DATA, Buffer.alloc(300, "x"))], /this is no rsyscall stub/],
    [
      "a hello without end",
      [frame(0, DATA, hello().subarray(0, 100)), frame(0, CLOSE)],
      /exited with status 0/,
    ],
    [
      "a machine that is not known",
      [
        frame(
          0,
          DATA,
          hello((view) => view.setUint32(12, 243, true)),
        ),
      ],
      /ELF machine 243/,
    ],
    [
      "a hello that is too large",
      [
        frame(
          0,
          DATA,
          hello((view) => view.setBigUint64(40, 2n ** 40n, true)),
        ),
      ],
      /./,
    ],
  ];
  for (const [what, bytes, message] of lies)
    it(`is told of when it says ${what}`, function* () {
      const { command } = yield* says(...bytes);
      assert.match((yield* failure(command, there)).message, message);
    });

  it("may lie when it has been welcomed, and is gone then", function* () {
    const { command } = yield* says(
      frame(0, DATA, hello()),
      frame(1, DATA, u32(1, 0)),
      frame(0, 9),
    );
    const call = Effect.scoped(
      Effect.gen(function* () {
        const task = yield* CommandTask.make(yield* LocalThread, command, there);
        yield* task.ended();
        return yield* Effect.flip(getpid(task.thread.task.sysif));
      }),
    );
    // It may be found out before anybody has been told that there is a Thread.
    const error = yield* Effect.catch(call, Effect.succeed);
    assert.include(["SyscallSendError", "LaunchError"], (error as { _tag: string })._tag);
  });
});

describe("a parent that ends in the middle", () => {
  it("is told of", function* () {
    const local = yield* LocalThread;
    const parent = yield* local.fork();
    const kill = script(`kill -9 ${parent.task.pid}; exec sleep 1000`);
    const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(CommandTask.make(parent, kill))));
    // By the launch, or by a call of the parent's that was under way.
    assert.include(["LaunchError", "SyscallHangup", "SyscallSendError"], error._tag);
  });
});
