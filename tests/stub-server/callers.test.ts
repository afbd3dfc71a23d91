import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  type Ended,
  execute,
  it,
  type MockOptions,
  missing,
  mock,
  program,
  python,
  type RunOptions,
  seen,
  shell,
  tempDirectory,
} from "@rsyscall/harness";
import type { StubCall } from "@rsyscall/stub-server";
import { Effect, Latch } from "effect";
import { assert, describe } from "vitest";

/** Answers with the arguments and the input, and with a status that no other program gives. */
const answer = (call: StubCall) =>
  Effect.gen(function* () {
    const { thread } = call;
    const input = yield* thread.readTextToEof(thread.stdin);
    yield* thread.stdout.writeAllText(`${JSON.stringify(call.argv.slice(1))} ${input}`);
    return 7;
  });

const ARGS = ["-t", "a b", ""];
const ANSWER = `["-t","a b",""] text\n`;

/** A mocked program, and all its calls. */
const recorded = (options?: MockOptions) =>
  Effect.gen(function* () {
    const calls: Array<StubCall> = [];
    const mocked = yield* mock((call) => {
      calls.push(call);
      return answer(call);
    }, options);
    return { ...mocked, calls };
  });

/** Asserts that exactly one call was made, with these arguments, and that its caller saw the answer. */
const assertAnswered = (
  ended: Ended,
  calls: ReadonlyArray<StubCall>,
  argv0: string,
  status = 7,
): void => {
  assert.deepEqual(seen(ended), { status, stdout: ANSWER, stderr: "" });
  assert.deepEqual(
    calls.map((call) => call.argv),
    [[argv0, ...ARGS]],
  );
};

describe("a program calls the stub by", () => {
  type Caller = readonly [how: string, run: (path: string) => Effect.Effect<Ended>, needs: string];
  const input: RunOptions = { input: "text\n" };
  const exitAs = "sys.exit(os.waitstatus_to_exitcode";
  const perl = (code: string) => (path: string) =>
    program("perl", ["-e", code, path, ...ARGS], input);
  const py = (code: string) => (path: string) => python(code, [path, ...ARGS], input);
  const sh = (code: string) => (path: string) => shell(code, [path, ...ARGS], input);
  const bash = (code: string) => (path: string) =>
    program("bash", ["--norc", "-c", code, "bash", path, ...ARGS], input);
  const wrapper = (name: string, ...before: ReadonlyArray<string>): Caller => [
    name,
    (path: string) => program(name, [...before, path, ...ARGS], input),
    name,
  ];
  const callers: ReadonlyArray<Caller> = [
    ["execve, in Perl", perl("exec @ARGV"), "perl"],
    ["execve, in Python", py("os.execv(p, sys.argv[1:])"), "python3"],
    [
      "fork and execve, in Python",
      py(`
pid = os.fork()
if pid == 0: os.execv(p, sys.argv[1:])
${exitAs}(os.waitpid(pid, 0)[1]))`),
      "python3",
    ],
    [
      "posix_spawn",
      py(`
pid = os.posix_spawn(p, sys.argv[1:], os.environ)
${exitAs}(os.waitpid(pid, 0)[1]))`),
      "python3",
    ],
    [
      "vfork",
      py(`
import subprocess
assert subprocess._USE_VFORK
sys.exit(subprocess.run(sys.argv[1:]).returncode)`),
      "python3",
    ],
    ["system(3), in Perl", perl(`exit(system("'$ARGV[0]' -t 'a b' ''") >> 8)`), "perl"],
    ["system(3), in Python", py(`${exitAs}(os.system(f"'{p}' -t 'a b' ''")))`), "python3"],
    [
      "popen(3), in Python",
      py(`
pipe = os.popen(f"'{p}' -t 'a b' ''")
sys.stdout.write(pipe.read())
${exitAs}(pipe.close()))`),
      "python3",
    ],
    ["dash", sh('"$@"; exit $?'), "dash"],
    ["bash", bash('"$@"; exit $?'), "bash"],
    ["bash, exec", bash('exec "$@"'), "bash"],
    ["bash, in the background", bash('"$@" <&0 & wait $!'), "bash"],
    wrapper("env", "SET=1"),
    wrapper("nohup"),
    wrapper("setsid", "--wait"),
    wrapper("timeout", "60"),
    wrapper("nice"),
  ];

  for (const [how, run, needs] of callers)
    it.skipIf(missing(needs))(how, function* () {
      const { path, calls } = yield* recorded();
      assertAnswered(yield* run(path), calls, path);
    });

  it.skipIf(missing("env"))("env -i", function* () {
    const { path, calls } = yield* recorded();
    const ended = yield* program("env", ["-i", path, ...ARGS], input);
    assertAnswered(ended, calls, path);
    assert.deepEqual(calls[0]?.thread.environ.toRecord(), {});
    assert.deepEqual(calls[0]?.thread.environ.strings, []);
  });

  it.skipIf(missing("bash"))("a pipeline: first, in the middle and last in one", function* () {
    const directory = yield* tempDirectory;
    const member = (name: string, status: number) =>
      mock(
        ({ thread }) =>
          Effect.gen(function* () {
            const input = yield* thread.readTextToEof(thread.stdin);
            yield* thread.stdout.writeAllText(`${input}${name}\n`);
            return status;
          }),
        { directory, name },
      );
    yield* member("one", 1);
    yield* member("two", 2);
    yield* member("three", 3);
    const code = `
echo in | one | two | three
echo "\${PIPESTATUS[*]}"
one < /dev/null | cat
echo "\${PIPESTATUS[*]}"
echo in | two | cat
echo "\${PIPESTATUS[*]}"
echo in | three
echo "\${PIPESTATUS[*]}"`;
    const ended = yield* program("bash", ["--norc", "-c", code], {
      env: { PATH: `${directory}:${process.env["PATH"]}` },
    });
    assert.deepEqual(seen(ended).stdout.split("\n"), [
      ...["in", "one", "two", "three", "0 1 2 3"],
      ...["one", "1 0"],
      ...["in", "two", "0 2 0"],
      ...["in", "three", "0 3", ""],
    ]);
  });

  it.skipIf(missing("make"))("make", function* () {
    const { directory, calls } = yield* recorded();
    const makefile = "all:\n\t@mail -t 'a b' '' > out 2>&1 < in\n";
    writeFileSync(join(directory, "Makefile"), makefile);
    writeFileSync(join(directory, "in"), "text\n");
    const ended = yield* program("make", [], {
      cwd: directory,
      env: { PATH: `${directory}:${process.env["PATH"]}`, LC_ALL: "C" },
    });
    assert.equal(ended.status, 2);
    assert.match(ended.stderr.toString(), /Error 7/);
    assert.equal(readFileSync(join(directory, "out"), "utf8"), ANSWER);
    assert.equal(calls.length, 1);
  });

  it.skipIf(missing("xargs"))("xargs -P4, which has four at work at once", function* () {
    const together = Latch.makeUnsafe();
    const args: Array<string | undefined> = [];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        args.push(call.argv[1]);
        if (args.length === 4) yield* together.open;
        yield* together.await;
        yield* call.thread.stdout.writeAllText(`<${call.argv[1]}>\n`);
      }),
    );
    const input = "1 2 3 4 5 6 7 8";
    const ended = yield* program("xargs", ["-P4", "-n1", path], { input });
    assert.equal(ended.status, 0, ended.stderr.toString());
    assert.deepEqual(args.toSorted(), input.split(" "));
    assert.deepEqual(
      ended.stdout.toString().trim().split("\n").toSorted(),
      input.split(" ").map((arg) => `<${arg}>`),
    );
  });

  it.skipIf(missing("xargs"))("xargs, which tells of a failure", function* () {
    const { path } = yield* mock((call) => Effect.succeed(call.argv[1] === "2" ? 9 : 0));
    const ended = yield* program("xargs", ["-n1", path], { input: "1 2 3" });
    assert.equal(ended.status, 123);
  });

  it.skipIf(missing("find"))("find -exec, by file and with all of them", function* () {
    const files = yield* tempDirectory;
    for (const name of ["x", "y"]) writeFileSync(join(files, name), `content of ${name}`);
    const seenFiles: Array<ReadonlyArray<string>> = [];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const contents: Array<string> = [];
        for (const file of call.argv.slice(1))
          contents.push(new TextDecoder().decode(yield* call.thread.slurp(file)));
        seenFiles.push(contents.toSorted());
      }),
    );
    const single = yield* program("find", [files, "-type", "f", "-exec", path, "{}", ";"]);
    assert.deepEqual(seen(single), { status: 0, stdout: "", stderr: "" });
    assert.deepEqual(seenFiles.splice(0).toSorted(), [["content of x"], ["content of y"]]);
    const all = yield* program("find", [files, "-type", "f", "-exec", path, "{}", "+"]);
    assert.deepEqual(seen(all), { status: 0, stdout: "", stderr: "" });
    assert.deepEqual(seenFiles, [["content of x", "content of y"]]);
  });
});

describe("git calls the stub", () => {
  const identity = {
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "A",
    GIT_AUTHOR_EMAIL: "a@example.org",
    GIT_COMMITTER_NAME: "C",
    GIT_COMMITTER_EMAIL: "c@example.org",
  };
  const git = (cwd: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
    program("git", args, { cwd, env: { ...process.env, ...identity, ...env } });
  const repository = Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const ended = yield* git(directory, ["init", "-q"]);
    assert.equal(ended.status, 0, ended.stderr.toString());
    return directory;
  });

  it.skipIf(missing("git"))("as its editor, which writes the message in git's place", function* () {
    const directory = yield* repository;
    const before: Array<string> = [];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        // Relative or not, it is the caller's directory that counts.
        const file = call.argv[1] as string;
        before.push(new TextDecoder().decode(yield* call.thread.slurp(file)));
        yield* call.thread.spit(file, "Written by the handler ✓\n\nThe body.\n");
      }),
    );
    const env = { GIT_EDITOR: path };
    const committed = yield* git(directory, ["commit", "-q", "--allow-empty"], env);
    assert.equal(committed.status, 0, committed.stderr.toString());
    const log = yield* git(directory, ["log", "--format=%an|%B"]);
    assert.equal(log.stdout.toString().trim(), "A|Written by the handler ✓\n\nThe body.");
    assert.match(before.join(), /Please enter the commit message/);
  });

  it.skipIf(missing("git"))("as its editor, which fails: nothing is committed", function* () {
    const directory = yield* repository;
    const { path } = yield* mock(() => Effect.succeed(1));
    const committed = yield* git(directory, ["commit", "--allow-empty"], { GIT_EDITOR: path });
    assert.notEqual(committed.status, 0);
    assert.match(committed.stderr.toString(), /editor/);
    const log = yield* git(directory, ["rev-parse", "--verify", "-q", "HEAD"]);
    assert.equal(log.status, 1);
  });

  it.skipIf(missing("git"))("as a hook that rejects a commit", function* () {
    const directory = yield* repository;
    yield* mock(({ thread }) => Effect.as(thread.stderr.writeAllText("not on a Friday\n"), 1), {
      directory: join(directory, ".git/hooks"),
      name: "pre-commit",
    });
    const committed = yield* git(directory, ["commit", "-q", "--allow-empty", "-m", "x"]);
    assert.deepEqual(seen(committed), { status: 1, stdout: "", stderr: "not on a Friday\n" });
  });

  it.skipIf(missing("git"))("as a command of its own (git-NAME in PATH)", function* () {
    const { directory, calls } = yield* recorded({ name: "git-hello" });
    const ended = yield* program("git", ["hello", ...ARGS], {
      input: "text\n",
      env: { ...process.env, PATH: `${directory}:${process.env["PATH"]}` },
    });
    assertAnswered(ended, calls, calls[0]?.argv[0] ?? "");
    assert.equal(basename(calls[0]?.argv[0] ?? ""), "git-hello");
  });

  it.skipIf(
    missing("git") ??
      (missing("../lib/git-core/git-send-email") && "not installed: git send-email"),
  )("as the program that sends its mail", function* () {
    const mails: Array<string> = [];
    const { directory, path } = yield* mock(({ argv, thread }) =>
      Effect.map(thread.readTextToEof(thread.stdin), (text) => {
        mails.push(argv.slice(1).join(" "), text);
      }),
    );
    const patch = join(directory, "0001.patch");
    writeFileSync(patch, "From: A <a@example.org>\nSubject: [PATCH] x\n\nThe body.\n");
    const ended = yield* git(directory, [
      ...["send-email", "--quiet", "--confirm=never", "--suppress-cc=all"],
      ...["--from=a@example.org", "--to=b@example.org", `--smtp-server=${path}`, patch],
    ]);
    assert.equal(ended.status, 0, ended.stderr.toString());
    assert.match(mails[0] ?? "", /b@example\.org/);
    assert.match(mails[1] ?? "", /The body\./);
  });
});

describe("the stub is reached", () => {
  it("through PATH", function* () {
    const { directory, path, calls } = yield* recorded();
    const env = { PATH: `/nonexistent:${directory}:${process.env["PATH"]}` };
    const ended = yield* shell('mail "$@"', ARGS, { env, input: "text\n" });
    assertAnswered(ended, calls, "mail");
    assert.equal(calls[0]?.execfn?.text, path);
  });

  for (const [how, PATH] of [
    ["at its start", ":/nonexistent"],
    ["in its middle", "/nonexistent::/usr/nonexistent"],
    ["at its end", "/nonexistent:"],
  ] as const)
    for (const needs of ["dash", "bash", "python3"])
      it.skipIf(missing(needs))(
        `through PATH with an empty entry ${how}, by ${needs}`,
        function* () {
          const { directory, calls } = yield* recorded();
          const options = { cwd: directory, env: { PATH }, input: "text\n" };
          const ended =
            needs === "python3"
              ? // Python ignores empty entries; the C library does not.
                yield* python(
                  `
import ctypes
execvp = ctypes.CDLL(None).execvp
argv = [os.fsencode(arg) for arg in sys.argv[1:]]
execvp(argv[0], (ctypes.c_char_p * (len(argv) + 1))(*argv, None))`,
                  ["mail", ...ARGS],
                  options,
                )
              : yield* program(
                  needs,
                  [...(needs === "bash" ? ["--norc"] : []), "-c", 'mail "$@"', "sh", ...ARGS],
                  options,
                );
          assertAnswered(ended, calls, "mail");
        },
      );

  it("by a relative path", function* () {
    const { directory, calls } = yield* recorded();
    mkdirSync(join(directory, "other"));
    for (const [cwd, path] of [
      [".", "./mail"],
      ["..", `${basename(directory)}/mail`],
      ["other", "../mail"],
      ["other", `../../${basename(directory)}/./other//../mail`],
    ] as const) {
      const options = { cwd: join(directory, cwd), input: "text\n" };
      assertAnswered(yield* execute(path, ARGS, options), calls.splice(0), path);
    }
  });

  it.skipIf(missing("python3"))("by its bare name, without PATH", function* () {
    const { directory, calls } = yield* recorded();
    const options = { cwd: directory, input: "text\n" };
    const ended = yield* python("os.execv(p, sys.argv[1:])", ["mail", ...ARGS], options);
    assertAnswered(ended, calls, "mail");
  });

  it("by a link elsewhere to a link elsewhere, absolute and relative", function* () {
    const { directory, path, calls } = yield* recorded();
    const elsewhere = yield* tempDirectory;
    mkdirSync(join(elsewhere, "sub"));
    symlinkSync(path, join(elsewhere, "absolute"));
    symlinkSync("absolute", join(elsewhere, "relative"));
    symlinkSync("../relative", join(elsewhere, "sub", "deep"));
    symlinkSync("sub", join(elsewhere, "directory"));
    symlinkSync(directory, join(elsewhere, "real"));
    // A name so long that no socket could lie beside it.
    symlinkSync("relative", join(elsewhere, "l".repeat(255)));
    for (const link of [
      ...["absolute", "relative", "sub/deep", "directory/deep", "real/mail"],
      "l".repeat(255),
    ]) {
      const linked = join(elsewhere, link);
      const ended = yield* execute(linked, ARGS, { input: "text\n" });
      assertAnswered(ended, calls.splice(0), linked);
      // And from there.
      const there = yield* execute(`./${link}`, ARGS, { input: "text\n", cwd: elsewhere });
      assertAnswered(there, calls.splice(0), `./${link}`);
    }
  });

  for (const inheritable of ["True", "False"])
    it.skipIf(missing("python3"))(
      `by a descriptor that ${inheritable === "True" ? "stays open" : "is closed on exec"} (fexecve), as a copy`,
      function* () {
        const { path, calls } = yield* recorded({ link: "copy" });
        const ended = yield* python(
          `
fd = os.open(p, os.O_RDONLY)
os.set_inheritable(fd, ${inheritable})
os.execve(fd, sys.argv[1:], os.environ)`,
          [path, ...ARGS],
          { input: "text\n" },
        );
        assertAnswered(ended, calls, path);
        assert.match(calls[0]?.execfn?.text ?? "", /^\/dev\/fd\/\d+$/);
      },
    );

  it.skipIf(missing("python3"))("relative to a directory's descriptor (execveat)", function* () {
    const { directory, calls } = yield* recorded();
    const ended = yield* python(
      `
import ctypes
directory = os.open(p, os.O_PATH)
os.set_inheritable(directory, True)
argv = [os.fsencode(arg) for arg in sys.argv[2:]]
argv = (ctypes.c_char_p * (len(argv) + 1))(*argv, None)
env = (ctypes.c_char_p * 1)(None)
ctypes.CDLL(None).execveat(directory, b"mail", argv, env, 0)`,
      [directory, "mail", ...ARGS],
      { input: "text\n" },
    );
    assertAnswered(ended, calls, "mail");
  });

  for (const argv0 of ["other name", "", "-mail", "/bin/true", "a/b/", "né\n"])
    it.skipIf(missing("python3"))(`with argv[0] ${JSON.stringify(argv0)}`, function* () {
      const { path, calls } = yield* recorded();
      // os.execv takes no empty one.
      const code = `
import ctypes
argv = [os.fsencode(arg) for arg in sys.argv[2:]]
ctypes.CDLL(None).execv(os.fsencode(p), (ctypes.c_char_p * (len(argv) + 1))(*argv, None))`;
      const ended = yield* python(code, [path, argv0, ...ARGS], { input: "text\n" });
      assertAnswered(ended, calls, argv0);
      assert.equal(calls[0]?.execfn?.text, path);
    });

  it.skipIf(missing("python3"))(
    "without any argv: the kernel makes it one empty string",
    function* () {
      const { path, calls } = yield* recorded();
      const ended = yield* python(
        `
import ctypes
nothing = (ctypes.c_char_p * 1)(None)
ctypes.CDLL(None).execve(os.fsencode(p), nothing, nothing)`,
        [path],
        { input: "text\n" },
      );
      assert.deepEqual(seen(ended), { status: 7, stdout: "[] text\n", stderr: "" });
      // Before Linux 5.18 it is none.
      assert.include([0, 1], calls[0]?.argv.length);
      assert.equal(calls[0]?.argv.join(), "");
      assert.deepEqual(calls[0]?.thread.environ.strings, []);
    },
  );
});

describe("the caller's working directory", () => {
  it("is the call's, wherever it is", function* () {
    const elsewhere = yield* tempDirectory;
    writeFileSync(join(elsewhere, "file"), "there");
    const found: Array<string | undefined> = [];
    const { path } = yield* mock((call) =>
      Effect.map(call.thread.slurp("file"), (content) => {
        found.push(call.cwd?.text, new TextDecoder().decode(content));
      }),
    );
    const ended = yield* execute(path, [], { cwd: elsewhere });
    assert.deepEqual(seen(ended), { status: 0, stdout: "", stderr: "" });
    assert.deepEqual(found, [elsewhere, "there"]);
  });

  it("may have been removed", function* () {
    const elsewhere = yield* tempDirectory;
    const { path, calls } = yield* recorded();
    const code = 'mkdir "$1" && cd "$1" && rmdir "$1" && shift && exec "$@"';
    const gone = join(elsewhere, "gone");
    const ended = yield* shell(code, [gone, path, ...ARGS], { input: "text\n" });
    assertAnswered(ended, calls, path);
    assert.isUndefined(calls[0]?.cwd);
  });
});
