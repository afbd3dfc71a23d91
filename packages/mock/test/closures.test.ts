import { execFile, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { Effect } from "effect";
import { afterEach, assert, describe, expect, it, vi } from "vitest";
import { type Mock, type MockOptions, mock, pass } from "../src/index.ts";

const mocks: Array<Mock> = [];

const make = async (options?: MockOptions) => {
  const made = await mock(options);
  mocks.push(made);
  return made;
};

afterEach(async () => {
  for (const made of mocks.splice(0)) await made.close({ verify: false });
});

interface Ended {
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line, while the thread of the test goes on. */
const sh = (m: Mock, script: string, input = "") =>
  new Promise<Ended>((resolve) => {
    const child = execFile(
      "/bin/sh",
      ["-c", script],
      { env: m.env, encoding: "utf8" },
      (error, stdout, stderr) =>
        resolve({ status: error?.signal ?? Number(error?.code ?? 0), stdout, stderr }),
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });

describe("a function as a reply", () => {
  it("gets the call, and gives what the caller gets", async () => {
    const m = await make();
    m.git().reply(({ args, argv, env, cwd, pid, ppid, parent }) => ({
      stdout: JSON.stringify({ args, argv, x: env["X"], cwd, isParent: pid !== ppid, parent }),
      status: 3,
    }));
    const { status, stdout } = await sh(m, "cd /; X=1 git a 'b c'; exit $?");
    assert.equal(status, 3);
    const { parent, ...rest } = JSON.parse(stdout);
    assert.deepEqual(rest, {
      args: ["a", "b c"],
      argv: ["git", "a", "b c"],
      x: "1",
      cwd: "/",
      isParent: true,
    });
    assert.match(parent, /^\/bin\/sh -c 'cd \/;/);
    assert.equal(m.git.calls[0]?.status, 3);
  });

  it("may give text, a status, nothing, or a promise of them", async () => {
    const m = await make();
    m.git("text").reply(() => "text");
    m.git("status").reply(async () => 4);
    m.git("nothing").reply(() => {});
    m.git("pass").reply(() => pass({ program: "uname", args: ["-s"] }));
    assert.equal((await sh(m, "git text")).stdout, "text");
    assert.equal((await sh(m, "git status")).status, 4);
    assert.equal((await sh(m, "git nothing")).status, 0);
  });

  it("reads stdin as text, JSON, lines, bytes and a stream", async () => {
    const m = await make();
    m.cat("text").reply(({ stdin }) => stdin.text());
    m.cat("json").reply(async ({ stdin }) => (await stdin.json()).key);
    m.cat("lines").reply(async ({ stdin, stdout }) => {
      for await (const line of stdin.lines()) await stdout.write(`<${line}>`);
    });
    m.cat("bytes").reply(({ stdin }) => stdin.bytes());
    m.cat("stream").reply(async ({ stdin, stdout }) => {
      for await (const part of stdin.stream()) await stdout.write(part);
    });
    assert.equal((await sh(m, "cat text", "one\ntwo")).stdout, "one\ntwo");
    assert.equal((await sh(m, "cat json", '{"key":"value"}')).stdout, "value");
    assert.equal((await sh(m, "cat lines", "one\ntwo\n\nthree")).stdout, "<one><two><><three>");
    assert.equal((await sh(m, "cat bytes", "\0x")).stdout, "\0x");
    assert.equal((await sh(m, "cat stream", "y".repeat(200_000))).stdout, "y".repeat(200_000));
  });

  it("may answer line by line, as the program under test asks", async () => {
    const m = await make();
    m("bc").reply(async ({ stdin, stdout }) => {
      for await (const line of stdin.lines()) await stdout.write(`${Number(line) * 2}\n`);
    });
    const child = spawn("bc", { env: m.env, stdio: ["pipe", "pipe", "inherit"] });
    const answer = (question: string) =>
      new Promise<string>((resolve) => {
        child.stdout.once("data", (data: Buffer) => resolve(String(data)));
        child.stdin.write(`${question}\n`);
      });
    assert.equal(await answer("2"), "4\n");
    assert.equal(await answer("21"), "42\n");
    child.stdin.end();
    await new Promise((resolve) => child.once("exit", resolve));
  });

  it("has the process itself", async () => {
    const m = await make();
    m("cd").reply(async ({ thread, pid }) => {
      assert.equal(thread.task.pid, pid);
      await Effect.runPromise(thread.spit("made-by-it", "content"));
    });
    assert.equal((await sh(m, `cd ${m.directory}; env cd`)).status, 0);
    assert.equal(readFileSync(`${m.directory}/made-by-it`, "utf8"), "content");
  });

  it("that throws gives 70 to the caller, and fails the test", async () => {
    const m = await make();
    m.git().reply(() => {
      throw new Error("that is wrong");
    });
    const { status, stderr } = await sh(m, "git push");
    assert.equal(status, 70);
    assert.match(stderr, /git: .*handler.*failed/);
    await expect(m.close()).rejects.toThrow(/git push.*that is wrong/s);
  });

  it("with a wrong status or reply does the same", async () => {
    const m = await make();
    m.git("a").reply(() => 256);
    m.git("b").reply((() => ({ out: 1 })) as never);
    assert.equal((await sh(m, "git a")).status, 70);
    assert.equal((await sh(m, "git b")).status, 70);
    assert.match(m.problems.join("\n"), /status is 256.*\n.*there is no out/s);
  });

  it("that never answers has a deadline", async () => {
    const m = await make({ deadline: 100 });
    m.git().reply(() => new Promise<string>(() => {}));
    const { status, stderr } = await sh(m, "git push");
    assert.equal(status, 75);
    assert.match(stderr, /within 100 ms/);
    assert.match(m.problems.join(), /git push.*100 ms/s);
  });

  it("is said to be blocked also if the mock closes at once", async () => {
    const m = await make({ blockedLimit: 100 });
    m.git().reply(() => "never");
    spawnSync("git", { env: m.env });
    await m.close({ verify: false });
    assert.lengthOf(m.problems, 1);
    assert.match(m.problems.join(), /is blocked/);
  });

  it("says what to do when the thread of the test is blocked", async () => {
    const m = await make({ blockedLimit: 100 });
    m.git().reply(() => "never");
    const { status, stderr } = spawnSync("git", { env: m.env, encoding: "utf8" });
    assert.equal(status, 70);
    assert.match(stderr, /is blocked, as by execFileSync.*module/);
    assert.match(m.problems.join(), /is blocked/);
  });

  it("is told when its caller is killed", async () => {
    const m = await make();
    const aborted = new Promise<void>((resolve) => {
      m.sleep().reply(
        ({ signal }) =>
          new Promise<void>((end) => {
            signal.addEventListener("abort", () => {
              resolve();
              end();
            });
          }),
      );
    });
    const called = m.sleep.next();
    const child = spawn("sleep", ["9"], { env: m.env });
    await called;
    child.kill("SIGKILL");
    await aborted;
    assert.deepEqual(m.problems, []);
    assert.equal(m.calls[0]?.outcome, "killed");
  });

  it("answers though timers are fake", async () => {
    const m = await make();
    vi.useFakeTimers();
    try {
      m.git().reply(async ({ stdin }) => `got ${await stdin.text()}`);
      const next = m.git.next();
      assert.equal((await sh(m, "git", "it")).stdout, "got it");
      assert.deepEqual((await next).argv, ["git"]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("answers many calls at once", async () => {
    const m = await make();
    m.git().reply(({ args }) => args.join());
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => (await sh(m, `git ${i}`)).stdout),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 50 }, (_, i) => `${i}`),
    );
  });
});

describe("a module as a reply", () => {
  it("answers while the thread of the test is blocked", async () => {
    const m = await make();
    m.git().handleBy(new URL("./handler.mjs", import.meta.url));
    const { status, stdout } = spawnSync("git", ["a", "b"], {
      env: m.env,
      encoding: "utf8",
      input: "input",
    });
    assert.deepEqual([status, stdout], [5, "a,b: input"]);
  });

  it("that cannot be loaded is an error of the test", async () => {
    const m = await make();
    m.git().handleBy("/nonexistent/handler.mjs");
    assert.equal(spawnSync("git", { env: m.env }).status, 70);
    assert.match(m.problems.join(), /\/nonexistent\/handler\.mjs/);
  });
});
