import { execFile, execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { relative } from "node:path";
import { promisify } from "node:util";
import { afterEach, assert, describe, expect, it, vi } from "vitest";
import {
  any,
  end,
  type Mock,
  MockError,
  type MockOptions,
  mock,
  pass,
  rest,
  spy,
} from "../src/index.ts";
import { directory, programs } from "./mocks.ts";

const mocks: Array<Mock> = [];

const make = async (options?: MockOptions) => {
  const made = await mock(options);
  mocks.push(made);
  return made;
};

afterEach(async () => {
  for (const made of mocks.splice(0)) await made.close({ verify: false });
});

/** Runs a command line, and gives its status and what it has written. The thread of the test is blocked meanwhile. */
const sh = (m: Mock, script: string) => {
  const { status, signal, stdout, stderr } = spawnSync("/bin/sh", ["-c", script], {
    env: m.env,
    encoding: "utf8",
  });
  return { status: signal ?? status, stdout, stderr };
};

/** The message of what a function throws. */
const problem = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    assert.instanceOf(error, MockError);
    return error.message;
  }
  assert.fail("nothing was thrown");
};

describe("a reply", () => {
  it("is text, a status, both, bytes, or a signal", async () => {
    const m = await make();
    m("a").reply("text\n");
    m("b").reply(3);
    m("c").reply({ stdout: "out", stderr: "err", status: 255 });
    m("d").reply(Uint8Array.of(0, 255, 10));
    m("e").reply({ signal: "SIGTERM" });
    m("f");
    assert.deepEqual(sh(m, "a"), { status: 0, stdout: "text\n", stderr: "" });
    assert.deepEqual(sh(m, "b"), { status: 3, stdout: "", stderr: "" });
    assert.deepEqual(sh(m, "c"), { status: 255, stdout: "out", stderr: "err" });
    assert.deepEqual([...execFileSync("d", { env: m.env })], [0, 255, 10]);
    assert.equal(sh(m, "exec e").status, "SIGTERM");
    assert.deepEqual(sh(m, "f"), { status: 0, stdout: "", stderr: "" });
  });

  it("comes in turn, and the last one again", async () => {
    const m = await make();
    m("next_", "x").reply(1).thenReply("two").thenReply({ status: 3 });
    assert.deepEqual(
      [1, 2, 3, 4].map(() => sh(m, "next_ x").status),
      [1, 0, 3, 3],
    );
  });

  it("keeps the order of its chunks, and waits for its delay", async () => {
    const m = await make();
    m("a").reply({
      chunks: [
        [1, "1"],
        [2, "2"],
        [1, "3"],
      ],
      delay: 50,
    });
    const begin = performance.now();
    assert.equal(sh(m, "a 2>&1").stdout, "123");
    assert.isAtLeast(performance.now() - begin, 49);
  });

  it("is refused in words if it is none", async () => {
    const m = await make();
    assert.match(
      problem(() => m("a").reply(256)),
      /the status is 256.*0 to 255/,
    );
    assert.match(
      problem(() => m("a").reply({ status: "3" as never })),
      /the status is "3", and/,
    );
    assert.match(
      problem(() => m("a").reply({ signal: "SIGNONE" })),
      /SIGNONE/,
    );
    assert.match(
      problem(() => m("a").reply({ out: "x" } as never)),
      /there is no out.*stdout/,
    );
    assert.match(
      problem(() => m("a").reply(undefined as never)),
      /is no reply/,
    );
    assert.match(
      problem(() => m("a").times(-1)),
      /-1 is no number of calls/,
    );
    assert.match(
      problem(() => m("a").between(3, 2)),
      /minimum 3 is greater/,
    );
  });
});

describe("a rule", () => {
  it("is the first that fits and may still be called", async () => {
    const m = await make();
    m.git("push").once().reply("first");
    m.git("push").once().reply("second");
    m.git(rest, "--help").reply("help");
    m.git(any, "x", end).reply("x");
    m.git.otherwise("other");
    assert.deepEqual(
      ["push", "push", "pull --help", "pull x", "pull x y"].map(
        (args) => sh(m, `git ${args}`).stdout,
      ),
      ["first", "second", "help", "x", "other"],
    );
    assert.deepEqual(m.problems, []);
    const late = sh(m, "git push");
    assert.equal(late.status, 127);
    assert.match(late.stderr, /git push was called twice, and must be called once/);
    assert.throws(() => m.verify(), MockError, "git push was called twice");
  });

  it("may be a function, which is asked in the thread of the test", async () => {
    const m = await make();
    m.docker((word) => word === "build").reply("built");
    const { stdout } = await promisify(execFile)("docker", ["build", "."], { env: m.env });
    assert.equal(stdout, "built");
  });

  it("is not told of a caller that was killed before it came", async () => {
    const m = await make();
    m("a").reply({ delay: 5000, stdout: "late" });
    const log = m.program("a").next();
    const child = execFile("a", { env: m.env });
    assert.equal((await log).outcome, "pending");
    child.kill("SIGKILL");
    await vi.waitUntil(() => m.calls[0]?.outcome !== "pending");
    assert.deepEqual([m.calls[0]?.outcome, m.calls[0]?.status], ["killed", undefined]);
    assert.deepEqual(m.problems, []);
  });

  it("says that a function cannot be asked while the thread of the test is blocked", async () => {
    const m = await make({ blockedLimit: 100 });
    m.docker((word) => word === "build");
    const { status, stderr } = sh(m, "docker build");
    assert.equal(status, 127);
    assert.match(stderr, /is blocked, as by execFileSync/);
    assert.match(m.problems.join(), /is blocked, as by execFileSync/);
  });

  it("may look at the environment, the directory and stdin", async () => {
    const m = await make();
    m("a")
      .where({ env: { KIND: /^x/ } })
      .reply("env");
    m("a")
      .where({ env: { KIND: undefined }, cwd: "/" })
      .reply("cwd");
    m("a")
      .where({ env: { KIND: undefined }, stdin: /hello/ })
      .reply("stdin");
    m("a").reply("none");
    assert.equal(sh(m, "KIND=xy a").stdout, "env");
    assert.equal(sh(m, "cd /; a").stdout, "cwd");
    assert.equal(sh(m, "echo hello | a").stdout, "stdin");
    assert.equal(sh(m, "echo no | a").stdout, "none");
    assert.equal(sh(m, "a <&-").stdout, "none");
    assert.equal(sh(m, "a < /").stdout, "none");
    assert.equal(new TextDecoder().decode(m.program("a").calls[3]?.stdin), "no\n");
  });

  it("must be called as often as it says", async () => {
    const m = await make();
    m("a").once();
    m("b").times(2);
    m("c").between(1, 2);
    m("d").never();
    m("e").any();
    sh(m, "b; c; c; d");
    assert.deepEqual(
      m.problems.map((text) => text.replace(/.*\): /, "")),
      [
        "d must not be called",
        "a was not called, and must be called once",
        "b was called once, and must be called twice",
      ],
    );
  });

  it("may be in order with rules of other programs", async () => {
    const m = await make();
    m.inOrder(m.git("push").once(), m.ssh("host").once());
    const { stderr, status } = sh(m, "ssh host");
    assert.equal(status, 127);
    assert.match(stderr, /it comes before git push, which must be called first/);
    const n = await make();
    n.inOrder(n.git("push").once(), n.ssh("host").once());
    assert.equal(sh(n, "git push && ssh host").status, 0);
    n.verify();
  });
});

describe("a call", () => {
  it("is known when the caller has ended, though the thread of the test was blocked", async () => {
    const m = await make();
    m.sendmail("-t");
    sh(m, "cd /; X=1 sendmail -t 'a b' ''");
    const [call] = m.sendmail.calls;
    assert.deepEqual(call?.argv, ["sendmail", "-t", "a b", ""]);
    assert.equal(call?.cwd, "/");
    assert.equal(call?.env["X"], "1");
    assert.equal(call?.status, 0);
    expect(m.sendmail).toHaveBeenCalledWith("-t", "a b", "");
    expect(m.sendmail).toHaveBeenCalledTimes(1);
    expect(m.git).not.toHaveBeenCalled();
  });

  it("that no rule is for is an error, which names the nearest rule", async () => {
    const m = await make();
    m.git("push", "origin");
    const { status, stderr } = sh(m, "cd /; git push 'up stream'");
    assert.equal(status, 127);
    assert.match(
      stderr,
      /^git: rsyscall: unexpected command: git push 'up stream' \(pid \d+, started by \/bin\/sh -c .*, in \/\); nearest: git push origin\n$/,
    );
    await expect(m.close()).rejects.toThrow("unexpected command: git push 'up stream'");
  });

  it("is shown without what misleads, and in a message of some size", async () => {
    const m = await make();
    m.ssh("host").never();
    assert.notMatch(sh(m, "ssh host").stderr, /nearest/);
    sh(m, `ssh ${"x".repeat(10_000)}`);
    sh(m, "for i in $(seq 60); do ssh host; done");
    const message = problem(() => m.verify());
    assert.match(message, /x\.\.\.\(10000 characters\)/);
    assert.match(message, /and 12 more problems/);
    assert.isBelow(message.length, 30_000);
    assert.lengthOf(m.calls[1]?.argv[1] ?? "", 10_000);
  });

  it("keeps what a predicate has thrown, and the line of the test that waits", async () => {
    const m = await make();
    const error = new Error("wrong predicate");
    m.git(() => {
      throw error;
    });
    await promisify(execFile)("git", ["x"], { env: m.env }).catch(() => {});
    try {
      m.verify();
      assert.fail("nothing was thrown");
    } catch (thrown) {
      assert.strictEqual((thrown as Error).cause, error);
    }
    const late = await m.ssh.next({ timeout: 1 }).catch((failure: Error) => failure);
    assert.match((late as Error).stack ?? "", /mock\.test\.ts/);
  });

  it("can be waited for", async () => {
    const m = await make();
    m("a", "1");
    const next = m.program("a").next();
    execFile("a", ["1"], { env: m.env });
    assert.deepEqual((await next).argv, ["a", "1"]);
    m("b");
    await expect(m.program("b").next({ timeout: 50 })).rejects.toThrow(
      "b was not called within 50 ms; calls so far:\n  a 1",
    );
  });
});

describe("pass", () => {
  it("is the real program in the same process", async () => {
    const m = await make();
    m.sh.otherwise(pass);
    m.cat.otherwise(pass);
    const { stdout } = sh(m, "echo $$; exec sh -c 'echo $$ $0'");
    const [pid, ...same] = stdout.split(/\s+/);
    assert.deepEqual(same, [pid, "/usr/bin/sh", ""]);
    assert.equal(sh(m, "echo text | cat").stdout, "text\n");
  });
});

describe("everything", () => {
  it("leads each name of PATH to the mock", async () => {
    const m = await make({ path: "everything", allow: ["sh"] });
    m.ls("/").reply("mocked\n");
    assert.equal(sh(m, "sh -c 'ls /'").stdout, "mocked\n");
    const { status, stderr } = sh(m, "rm -rf build");
    assert.equal(status, 127);
    assert.match(stderr, /unexpected command: rm -rf build/);
    assert.equal(sh(m, "uname").status, 127);
  });

  it("may be decided by a rule for all programs", async () => {
    const m = await make({ path: "everything" });
    m.rm().never();
    m.otherwise(pass);
    assert.equal(sh(m, "uname -s").stdout, "Linux\n");
    assert.equal(sh(m, "rm -rf /nonexistent").status, 127);
  });

  it("may be all of PATH, and passes all the same", async () => {
    const m = await make({ path: "hermetic", allow: ["cat"] });
    m.uname.otherwise(pass);
    assert.equal(m.env["PATH"], `${m.directory}/bin`);
    assert.equal(sh(m, "uname -s | cat").stdout, "Linux\n");
    assert.match(sh(m, "ls").stderr, /unexpected command: ls/);
  });

  it("uses a directory again only if it is as it was, and PATH too", async () => {
    const names = programs({ mine: "", uname: "" });
    symlinkSync("/bin/sh", `${names}/sh`);
    const env = { ...process.env, PATH: names };
    const bin = async (change: (m: Mock) => void = () => {}) => {
      const m = await mock({ path: "everything", allow: ["sh"], env });
      const made = {
        inode: statSync(`${m.directory}/bin`).ino,
        names: readdirSync(`${m.directory}/bin`),
      };
      assert.equal(sh(m, "uname").status, 127);
      change(m);
      await m.close({ verify: false });
      return made;
    };
    const first = await bin();
    assert.include(first.names, "mine");
    assert.deepEqual(await bin((m) => writeFileSync(`${m.directory}/bin/stray`, "")), first);
    const second = await bin((m) => m["sh"]?.reply(1));
    assert.deepEqual(second.names, first.names);
    const third = await bin();
    assert.deepEqual(third.names, first.names);
    writeFileSync(`${names}/new`, "", { mode: 0o755 });
    assert.include((await bin()).names, "new");
  });

  it("refuses what cannot be allowed", async () => {
    await expect(mock({ path: "hermetic", allow: ["no-such-program"] })).rejects.toThrow(
      /no-such-program is not in PATH/,
    );
    await expect(mock({ allow: ["sh"] })).rejects.toThrow(/allow is for path/);
  });
});

describe("mock()", () => {
  it("changes PATH of this process only if that is wished", async () => {
    const before = process.env["PATH"];
    const m = await make({ changePath: true });
    m("some_program").reply("mocked");
    assert.equal(execFileSync("some_program", { encoding: "utf8" }), "mocked");
    await m.close();
    assert.equal(process.env["PATH"], before);
    await make();
    assert.equal(process.env["PATH"], before);
  });

  it("refuses options that there are not", async () => {
    const message = async (options: object) =>
      (await mock(options).catch((error) => error)).message;
    assert.match(
      await message({ path: "hermetic", alow: [] }),
      /no alow: did you mean allow\? a mock has/,
    );
    assert.match(await message({ Path: "hermetic" }), /no Path: did you mean path\?/);
    assert.match(
      await message({ cassette: { file: "x", mod: "all" } }),
      /no mod: did you mean mode\?/,
    );
    const m = await make();
    assert.match(
      problem(() => m("a").reply(pass({ progam: "b" } as object))),
      /no progam: did you mean program\?/,
    );
    assert.match(
      problem(() => m("a").reply(spy({ limits: 1 } as object))),
      /no limits: did you mean limit\?/,
    );
    assert.match(
      problem(() => m("a").where({ stdn: "" } as object)),
      /no stdn: did you mean stdin\?/,
    );
    assert.match(
      (
        (await m("a")) &&
        (await m
          .program("a")
          .next({ timout: 1 } as object)
          .catch((e) => e))
      ).message,
      /no timout: did you mean timeout\?/,
    );
  });

  it("is at an absolute path, and refuses one that PATH cannot have", async () => {
    const before = process.env["TMPDIR"];
    const at = directory();
    try {
      process.env["TMPDIR"] = relative(process.cwd(), at);
      const m = await make();
      m("uname").reply("mock");
      assert.equal(m.directory.indexOf(`${at}/`), 0);
      assert.equal(sh(m, "cd /; uname").stdout, "mock");
      await m.close();
      process.env["TMPDIR"] = `${at}/a:b`;
      assert.match((await mock().catch((error) => error)).message, /a colon: set TMPDIR/);
      process.env["TMPDIR"] = `${at}/nosuch`;
      assert.match(
        (await mock().catch((error) => error)).message,
        /no directory can be made in .*nosuch/,
      );
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
  });

  it("leaves nothing behind", async () => {
    const m = await make();
    m("a");
    const { directory } = m;
    assert.equal(readlinkSync(`${directory}/bin/a`), "../stub");
    await m.close();
    assert.isFalse(existsSync(directory));
    assert.throws(() => m("a"), MockError, "was closed");
    await m.close();
  });

  it("makes any number at once", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => make()));
    for (const [i, m] of all.entries()) m.who().reply(`${i}`);
    assert.deepEqual(
      all.map((m) => sh(m, "who").stdout),
      all.map((_, i) => `${i}`),
    );
    assert.equal(new Set(all.map(({ directory }) => directory)).size, 20);
  });

  it("says in words that a name is too long, or that it is closed", async () => {
    const m = await make();
    assert.match(
      problem(() => m("n".repeat(300))),
      /more than 255 bytes/,
    );
    await m.close();
    assert.match(
      problem(() => m.git("x")),
      /The mock was closed/,
    );
  });

  it("refuses names that no program can have", async () => {
    const m = await make();
    assert.match(
      problem(() => m("")),
      /is no name of a program/,
    );
    assert.match(
      problem(() => m("..")),
      /is no name of a program/,
    );
  });

  it("does not take two mocks in a row for the real program", async () => {
    const outer = await make();
    const inner = await make({ env: outer.env });
    outer.uname.otherwise(pass);
    inner.uname.otherwise(pass);
    assert.equal(sh(inner, "uname -s").stdout, "Linux\n");
    assert.equal(inner.uname.calls.length, 1);
    assert.equal(outer.uname.calls.length, 1);
    assert.include(readdirSync(inner.directory), "stub.sock");
  });
});
