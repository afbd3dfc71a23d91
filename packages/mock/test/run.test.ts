import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, assert, describe, it } from "vitest";
import { type Mock, MockError, type MockOptions, mock, pass } from "../src/index.ts";

const mocks: Array<Mock> = [];

const make = async (options?: MockOptions) => {
  const made = await mock(options);
  mocks.push(made);
  return made;
};

afterEach(async () => {
  for (const made of mocks.splice(0)) await made.close({ verify: false });
});

/** The message with which a program cannot run. */
const failure = async (running: Promise<unknown>): Promise<string> => {
  try {
    await running;
  } catch (error) {
    assert.instanceOf(error, MockError);
    return error.message;
  }
  assert.fail("nothing was thrown");
};

const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

/** Waits until a process has ended. */
const untilEnded = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve));
};

describe("m.run", () => {
  it("runs a program with the environment of the mock, and gives how it ended", async () => {
    const m = await make();
    m.git("push").reply("pushed\n");
    const ran = await m.run("sh", ["-c", "git push; echo err >&2; exit 3"]);
    assert.deepEqual(
      { ...ran, pid: 0 },
      {
        stdout: "pushed\n",
        stderr: "err\n",
        status: 3,
        signal: undefined,
        pid: 0,
      },
    );
    assert.equal((await m.run("sh", ["-c", "echo $$"])).stdout.trim().length > 0, true);
    assert.equal(m.calls[0]?.ppid, ran.pid);
  });

  it("tells of a signal", async () => {
    const m = await make();
    const { status, signal } = await m.shell("kill -TERM $$");
    assert.deepEqual([status, signal], [undefined, "SIGTERM"]);
  });

  it("gives input as text or bytes, nothing by default, and output as bytes if asked", async () => {
    const m = await make();
    assert.equal((await m.run("cat", { input: "text" })).stdout, "text");
    const bytes = Uint8Array.from({ length: 1_000_000 }, (_, i) => i % 256);
    const { stdout } = await m.run("cat", { input: bytes, encoding: "buffer" });
    assert.isTrue(Buffer.from(stdout).equals(bytes));
    assert.equal((await m.run("cat")).stdout, "");
    // A program that does not read its input is no failure.
    assert.equal((await m.run("true", { input: bytes })).status, 0);
  });

  it("has descriptors of this process for stdin and output", async () => {
    const m = await make();
    const file = join(m.directory, "out");
    writeFileSync(join(m.directory, "in"), "from a file");
    const input = openSync(join(m.directory, "in"), "r");
    const output = openSync(file, "w");
    try {
      const ran = await m.shell("cat; echo err >&2", { stdin: input, stdout: output });
      assert.deepEqual([ran.stdout, ran.stderr], ["", "err\n"]);
      // No other descriptor gets there. The fourth is the directory.
      assert.equal((await m.run("ls", ["/proc/self/fd"], { stdin: input })).stdout, "0\n1\n2\n3\n");
      const both = await m.shell("echo out; echo err >&2", { stdout: output, stderr: output });
      assert.equal(both.status, 0);
    } finally {
      closeSync(input);
      closeSync(output);
    }
    assert.equal(readFileSync(file, "utf8"), "from a fileout\nerr\n");
    const ignored = await m.shell("echo out; readlink /proc/self/fd/3 3>&1 >&2", {
      stdout: "ignore",
    });
    assert.deepEqual([ignored.stdout, ignored.stderr], ["", "/dev/null\n"]);
    const inherited = await m.shell("readlink /proc/$$/fd/0; :", { stdin: "inherit" });
    assert.equal(inherited.stdout.trimEnd(), readlinkSync("/proc/self/fd/0"));
  });

  it("has a directory and changes to the environment", async () => {
    const m = await make({ env: { PATH: process.env["PATH"], A: "a", B: "b" } });
    const cwd = realpathSync(m.directory);
    const ran = await m.shell("pwd; echo $A $B $C", { cwd, env: { B: undefined, C: "c" } });
    assert.equal(ran.stdout, `${cwd}\na c\n`);
    mkdirSync(join(cwd, "sub"));
    writeFileSync(join(cwd, "sub", "x.sh"), "#!/bin/sh\necho $0\n", { mode: 0o755 });
    assert.equal((await m.run("./x.sh", { cwd: join(cwd, "sub") })).stdout, "./x.sh\n");
    // A script without a first line is the shell's.
    writeFileSync(join(cwd, "sub", "y.sh"), "echo by a shell\n", { mode: 0o755 });
    assert.equal((await m.run("./y.sh", { cwd: join(cwd, "sub") })).stdout, "by a shell\n");
  });

  it("runs a mocked program itself, and many at once", async () => {
    const m = await make();
    m.git("status").reply("clean\n");
    const all = await Promise.all(Array.from({ length: 20 }, () => m.run("git", ["status"])));
    assert.isTrue(all.every(({ stdout }) => stdout === "clean\n"));
    assert.equal(m.git.calls.length, 20);
  });

  it("fails for a status with check, and shows the output", async () => {
    const m = await make();
    assert.equal((await m.shell("true", { check: true })).status, 0);
    const message = await failure(m.shell("echo so far; echo why >&2; exit 3", { check: true }));
    assert.match(message, /ended with status 3\nstdout: so far\nstderr: why/);
  });

  it("kills the group at the time limit, and says so with the output so far", async () => {
    const m = await make();
    const file = join(m.directory, "pid");
    const message = await failure(
      m.shell(`sleep 1000 & echo $! > ${file}; echo begun; sleep 1000`, { timeout: 300 }),
    );
    assert.match(message, /did not end within 300 ms, and was killed with all processes of its/);
    assert.include(message, "stdout: begun");
    await untilEnded(Number(readFileSync(file, "utf8")));
  });

  it("is killed by an AbortSignal, with its reason, and at once by one that was aborted", async () => {
    const m = await make();
    const file = join(m.directory, "pid");
    const controller = new AbortController();
    const running = m.shell(`echo $$ > ${file}; sleep 1000`, { signal: controller.signal });
    while (!existsSync(file) || readFileSync(file, "utf8") === "")
      await new Promise((resolve) => setImmediate(resolve));
    const reason = new Error("enough");
    controller.abort(reason);
    assert.equal(await running.catch((error) => error), reason);
    assert.isFalse(isAlive(Number(readFileSync(file, "utf8"))));
    const never = m.run("true", { signal: AbortSignal.abort(reason) });
    assert.equal(await never.catch((error) => error), reason);
  });

  it("leaves nothing of the group behind, and does not wait long for its output", async () => {
    const m = await make();
    const file = join(m.directory, "pid");
    const begun = performance.now();
    const { stdout } = await m.shell(`sleep 1000 & echo $! > ${file}; echo done`);
    assert.equal(stdout, "done\n");
    assert.isBelow(performance.now() - begun, 10_000);
    await untilEnded(Number(readFileSync(file, "utf8")));
    // Output that comes after the end of the program itself.
    const late = await m.shell("(sleep 0.2; echo late) & echo early");
    assert.equal(late.stdout, "early\nlate\n");
  });

  it("is killed when the mock closes", async () => {
    const m = await make();
    const file = join(m.directory, "..", `rsyscall-test-pid-${process.pid}`);
    const running = failure(m.shell(`echo $$ > ${file}; exec sleep 1000`));
    while (!existsSync(file) || readFileSync(file, "utf8") === "")
      await new Promise((resolve) => setImmediate(resolve));
    await m.close({ verify: false });
    const pid = Number(readFileSync(file, "utf8"));
    rmSync(file);
    assert.match(await running, /killed, because the mock was closed/);
    assert.isFalse(isAlive(pid));
    assert.match(await failure(m.run("true")), /The mock was closed/);
  });

  it("has a session of its own, without a terminal", async () => {
    const m = await make();
    const { stdout, pid } = await m.shell("ps -o sid=,pgid= -p $$");
    assert.deepEqual(stdout.trim().split(/\s+/).map(Number), [pid, pid]);
  });

  it("says what is wrong", async () => {
    const m = await make();
    assert.match(await failure(m.run("frobnicate")), /^m\.run: frobnicate: not found in PATH/);
    assert.match(await failure(m.run("./nothing.sh")), /no such file.*\(in \//);
    assert.match(
      await failure(m.run("git push")),
      /^m\.run: "git push" is no name of a program: .*m\.run\("git", \["push"\]\).*m\.shell\("git push"\)/,
    );
    const file = join(m.directory, "plain");
    writeFileSync(file, "");
    assert.match(await failure(m.run(file)), /may not be executed: give it execute permission/);
    assert.match(await failure(m.run("true", { cwd: "/no/such" })), /^m\.run: cwd: .*\/no\/such/);
    const script = join(m.directory, "script");
    writeFileSync(script, "#!/no/such/interpreter\n", { mode: 0o755 });
    assert.match(await failure(m.run(script)), /the interpreter that it names/);
    assert.match(await failure(m.run("true", { stdin: 1234 })), /descriptor 1234, which is not/);
    assert.match(await failure(m.run("true", { tiemout: 3 } as never)), /no option tiemout/);
    assert.match(await failure(m.run("true", { timeout: "3" } as never)), /timeout must be mill/);
    assert.match(await failure(m.run("true", "x" as never)), /arguments are a list/);
    assert.match(await failure(m.run("")), /the command is empty/);
    assert.match(await failure(m.run("a\0b")), /no text without NUL/);
    assert.match(await failure(m.run("cat", { input: "", stdin: "inherit" })), /not both/);
  });
});

describe("warnings", () => {
  it("tell of builtins and paths that were never called", async () => {
    const m = await make();
    m.test().reply(1).once();
    m.git("push").once();
    m("/usr/sbin/sendmail").once();
    await m.shell("test -e / && true");
    assert.equal(m.warnings.length, 2);
    assert.match(m.warnings[0] as string, /^test is a builtin of shells/);
    assert.match(m.warnings[1] as string, /^\/usr\/sbin\/sendmail is a path: only programs that/);
    assert.match(m.problems[0] as string, /^test was not called.*builtin of shells/);
    assert.notMatch(m.problems[1] as string, /builtin/);
    await m.shell("env test -e /; git push; /usr/sbin/sendmail");
    assert.deepEqual(m.warnings, []);
    assert.deepEqual(m.problems, []);
  });
});

describe("hermetic", () => {
  it("finds in PATH only what is allowed", async () => {
    const m = await make({ path: "hermetic", allow: ["ls"] });
    m.git.otherwise(pass);
    assert.equal((await m.shell("ls / > /dev/null; git --version; cat /dev/null")).status, 127);
  });
});
