import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, describe, it } from "vitest";
import { directory, ended, make, run, sh } from "./mocks.ts";

/** A program of its own that makes a mock, says where, and waits. It uses the built package. */
const holder = async () => {
  const index = new URL("../dist/index.js", import.meta.url).href;
  const code = `import { mock } from ${JSON.stringify(index)}; const m = await mock(); m.git.reply(1); console.log(m.directory); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: fileURLToPath(new URL(".", import.meta.url)),
  });
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  return { child, directory: String(first).trim() };
};

describe("what a killed test has left", () => {
  it("is removed by the next mock, and nothing else is", async () => {
    const [killed, living] = await Promise.all([holder(), holder()]);
    killed.child.kill("SIGKILL");
    await once(killed.child, "exit");
    assert.isTrue(existsSync(killed.directory));
    // As if it were of another pid namespace, or named by another program.
    const [, , pid, namespace, start] = basename(killed.directory).split("-");
    const others = [
      `rsyscall-mock-${pid}-zz${namespace}-${start}-XXXXXX`,
      `rsyscall-mock-${pid}-x`,
    ].map((name) => join(tmpdir(), name));
    for (const other of others) mkdirSync(other);
    try {
      const m = await make();
      m.git.reply(2);
      assert.isFalse(existsSync(killed.directory));
      for (const kept of [living.directory, m.directory, ...others])
        assert.isTrue(existsSync(kept));
      assert.equal(sh(m, "git").status, 2);
      assert.equal(sh(m, "git", { env: { PATH: `${living.directory}/bin` } }).status, 1);
    } finally {
      living.child.kill("SIGTERM");
      await once(living.child, "exit");
      for (const other of others) rmSync(other, { recursive: true });
    }
    const last = await make();
    assert.isFalse(existsSync(living.directory));
    const mine = readdirSync(tmpdir()).filter((name) =>
      name.startsWith(`rsyscall-mock-${process.pid}-`),
    );
    assert.include(mine, basename(last.directory));
  });
});

describe("a test that is killed in the middle", () => {
  it.each(["SIGTERM", "SIGKILL"] as const)(
    "by %s leaves no process, and no directory",
    async (signal) => {
      const tmp = directory();
      const index = new URL("../dist/index.js", import.meta.url).href;
      // A call waits for its handler, a spied program and a program under test run.
      const code = `
      import { mock, spy } from ${JSON.stringify(index)};
      process.on("SIGTERM", () => process.exit(1));
      const m = await mock();
      m.git.reply(() => { console.log("called"); return new Promise(() => {}); });
      m.sleep.reply(spy);
      m.shell("git & sleep 33.3 & exec /bin/sleep 33.3").catch(() => {});
      m("/usr/sbin/no-such-mailer").reply("");
      m.shell("exec /bin/sleep 33.3").catch(() => {});`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
        stdio: ["ignore", "pipe", "inherit"],
        env: { ...process.env, TMPDIR: tmp },
        detached: true,
      });
      await once(child.stdout, "data");
      // The stub of sleep has begun to run it, or is about to.
      const sleeping = () => commandsOf("sleep\x0033.3");
      while (sleeping() < 3) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill(signal);
      await once(child, "exit");
      while (sleeping() > 0 || commandsOf(tmp) > 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
      if (signal === "SIGKILL") {
        // Nothing of it could run any more: the next mock sweeps.
        const next =
          "const { mock } = await import(process.argv[1]); await (await mock()).close();";
        assert.equal(
          ended(process.execPath, ["--input-type=module", "-e", next, index], {
            env: { ...process.env, TMPDIR: tmp },
          }).stderr,
          "",
        );
      }
      assert.deepEqual(readdirSync(tmp), []);
    },
  );
});

/** How many processes have a text in their command lines. */
const commandsOf = (text: string): number =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  }).length;

describe("many calls", () => {
  it("1,000, 32 at a time", async () => {
    const m = await make();
    m.tool("x").times(500).reply("x\n");
    m.tool("y").times(500).reply({ stderr: "y\n" });
    const script =
      "seq 500 | xargs -P 16 -I{} tool x & seq 500 | xargs -P 16 -I{} tool y 2>/dev/null & wait";
    const { stdout } = await run("/bin/sh", ["-c", script], { env: m.env });
    assert.equal(stdout, "x\n".repeat(500));
    assert.lengthOf(m.calls, 1000);
    assert.sameMembers(
      m.calls.map(({ index }) => index),
      [...m.calls.keys()],
    );
    m.verify();
  });

  it("more than are kept for a thread that is blocked", async () => {
    const m = await make();
    m.tool.reply("x\n");
    const { stdout } = spawnSync("/bin/sh", ["-c", "seq 150 | xargs -P 16 -I{} tool {}"], {
      env: { ...m.env, LONG: "x".repeat(10_000) },
    });
    assert.equal(String(stdout), "x\n".repeat(150));
    assert.lengthOf(m.tool.calls, 150);
    for (const { env } of m.tool.calls) assert.lengthOf(env["LONG"] as string, 10_000);
  });
});
