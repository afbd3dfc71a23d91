import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { assert, describe, it } from "vitest";
import { mock, pass } from "../src/index.ts";

describe("pass({ outside: true })", () => {
  it("is a child of this process, with what the caller has", async () => {
    await using m = await mock();
    m.cat.otherwise(pass({ outside: true }));
    m.sh.otherwise(pass({ outside: true }));
    const run = (script: string) =>
      spawnSync("/bin/sh", ["-c", script], {
        env: { ...m.env, X: "x" },
        encoding: "utf8",
        cwd: "/",
      });
    assert.equal(run("echo input | cat").stdout, "input\n");
    const { stdout, status } = run("sh -c 'echo $PPID $X $PWD; exit 7'");
    assert.equal(stdout, `${process.pid} x /\n`);
    assert.equal(status, 7);
    assert.equal(run("exec sh -c 'kill -TERM $$'").signal, "SIGTERM");
    assert.equal(run("sh -c 'read x || echo none' <&-").stdout, "none\n");
    assert.equal(m.sh.calls[0]?.status, 7);
  });

  it("ends with the caller", async () => {
    await using m = await mock();
    m.sleep.otherwise(pass({ outside: true }));
    const next = m.sleep.next();
    const caller = spawn("sleep", ["1000"], { env: m.env });
    await next;
    const child = () =>
      readFileSync("/proc/thread-self/children", "latin1")
        .split(" ")
        .concat(
          ...spawnSync("pgrep", ["-P", String(process.pid), "-f", "sleep 1000"], {
            encoding: "utf8",
          }).stdout.split("\n"),
        )
        .filter((pid) => pid !== "" && pid !== String(caller.pid));
    caller.kill("SIGKILL");
    await new Promise((resolve) => caller.once("exit", resolve));
    while (child().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it("says that there is no such program", async () => {
    const m = await mock();
    m.git.otherwise(pass({ outside: true, program: "no-such-program" }));
    const { status, stderr } = spawnSync("git", { env: m.env, encoding: "utf8" });
    assert.equal(status, 127);
    assert.match(stderr, /no-such-program/);
    await m.close({ verify: false });
  });
});
