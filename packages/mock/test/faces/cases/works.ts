/* The tests of a user, which run under each pool of vitest. */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { type Mock, mock, pass, test } from "@rsyscall/mock/vitest";
import { beforeAll, beforeEach, describe, expect, vi } from "vitest";

const run = promisify(execFile);

const sh = (m: Mock, script: string) =>
  spawnSync("/bin/sh", ["-c", script], { env: m.env, encoding: "utf8" });

export const works = () => {
  test("in a test", async () => {
    const m = await mock();
    m.git("push").once().reply("pushed\n");
    expect(sh(m, "cd /; KIND=x git push").stdout).toBe("pushed\n");
    expect(m.git).toHaveBeenCalledWith("push");
    expect(m.git).toHaveBeenCalledExactlyOnceWith("push");
    expect(m.git).toHaveBeenCalledIn("/");
    expect(m.git).toHaveBeenCalledWithEnv({ KIND: "x", NO_SUCH: undefined });
    expect(m.git).not.toHaveBeenCalledWithEnv({ KIND: /y/ });
    expect(m.git).not.toHaveReceivedStdin(/./);
    expect(m.ssh).not.toHaveBeenCalled();
    expect(m.git.calls[0]?.argv).toStrictEqual(["git", "push"]);
    expect(m.git.calls).toStrictEqual([expect.objectContaining({ cwd: "/", status: 0 })]);
  });

  test("a program that reads", async () => {
    const m = await mock();
    m.sendmail("-t").where({ stdin: /./s });
    execFileSync("sendmail", ["-t"], { env: m.env, input: "Subject: hi\n" });
    expect(m.sendmail).toHaveReceivedStdin(/^Subject: hi$/m);
    expect(m.sendmail).toHaveReceivedStdin("Subject: hi\n");
  });

  test("bytes and patterns of this realm", async () => {
    const m = await mock();
    m("a", /^x$/).reply(new Uint8Array([0, 255]));
    m("b", (word) => word === "x").reply(Buffer.from("b"));
    expect([...execFileSync("a", ["x"], { env: m.env })]).toEqual([0, 255]);
    expect((await run("b", ["x"], { env: m.env })).stdout).toBe("b");
  });

  test("a function as a reply", async () => {
    const m = await mock({ blockedLimit: 20_000 });
    m.cat().reply(async ({ args, stdin }) => `${args} ${await stdin.text()}`);
    const finished = run("sh", ["-c", "echo x | cat y"], { env: m.env });
    expect((await finished).stdout).toBe("y x\n");
  });

  test("fake timers", async () => {
    const m = await mock();
    vi.useFakeTimers();
    try {
      m.curl().reply({ stdout: "ok", delay: 10 });
      const next = m.curl.next();
      const finished = run("curl", [], { env: m.env });
      expect((await next).argv).toEqual(["curl"]);
      expect((await finished).stdout).toBe("ok");
      await expect(m.curl.next({ timeout: 10 })).rejects.toThrow("was not called within 10 ms");
    } finally {
      vi.useRealTimers();
    }
  });

  test("PATH of this process", async () => {
    const m = await mock({ changePath: true });
    m("some-program").reply("mocked");
    expect(execFileSync("some-program", { encoding: "utf8" })).toBe("mocked");
  });

  test("await using", async () => {
    await using m = await mock();
    m.uname.otherwise(pass);
    expect(sh(m, "uname -s").stdout).toBe("Linux\n");
  });

  for (const name of ["one", "two", "three"])
    test.concurrent(`beside others: ${name}`, async ({ mock }) => {
      const m = await mock();
      m.who().once().reply(name);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect((await run("who", [], { env: m.env })).stdout).toBe(name);
    });

  describe("beforeEach", () => {
    let m: Mock;
    const directories = new Set<string>();
    beforeEach(async () => {
      m = await mock();
      directories.add(m.directory);
    });
    for (const count of [1, 2])
      test(`is another one each time: ${count}`, () => {
        m.who().once();
        sh(m, "who");
        expect(m.who).toHaveBeenCalledTimes(1);
        expect(directories.size).toBe(count);
      });
  });

  describe("beforeAll", () => {
    let m: Mock;
    beforeAll(async () => {
      m = await mock();
      m.who().times(2);
    });
    for (const count of [1, 2])
      test(`is one for all: ${count}`, () => {
        sh(m, "who");
        expect(m.who).toHaveBeenCalledTimes(count);
      });
  });

  describe("a suite that makes one", async () => {
    const m = await mock();
    m.who().times(2);
    for (const count of [1, 2])
      test(`is one for all: ${count}`, () => {
        sh(m, "who");
        expect(m.who).toHaveBeenCalledTimes(count);
      });
  });
};
