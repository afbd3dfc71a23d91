import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing } from "@rsyscall/harness";
import { describe, expect, it } from "vitest";
import { any, mock, pass, spy } from "../src/index.ts";
import { directory, ended, make, programs, sh } from "./mocks.ts";

describe("a hermetic mock", () => {
  it("names what is called around PATH, with its arguments, directory and parent", async () => {
    const m = await make({ path: "hermetic" });
    m.git("push").reply("pushed\n");
    const { stdout, status } = await m.shell("git push; cd /; /usr/bin/env -i /bin/uname -s", {});
    expect({ stdout, status }).toEqual({ stdout: "pushed\nLinux\n", status: 0 });
    expect(m.problems).toHaveLength(2);
    expect(m.problems[1]).toMatch(
      /^unexpected command: uname -s \(pid \d+, started by .*, in \/\): \/bin\/uname goes around the mocks in PATH, and has run: mock that path, or allow it as "\/bin\/uname"$/,
    );
    expect(m.calls.map(({ path, argv, cwd, outcome }) => [path, argv, cwd, outcome])).toEqual([
      [join(m.directory, "bin/git"), ["git", "push"], process.cwd(), "replied"],
      ["/usr/bin/env", ["/usr/bin/env", "-i", "/bin/uname", "-s"], "/", "unexpected"],
      ["/bin/uname", ["/bin/uname", "-s"], "/", "unexpected"],
    ]);
    expect(() => m.verify()).toThrow(/\+ uname -s \(unexpected\)/);
  });

  it("denies it too, if that is asked for", async () => {
    const m = await make({ path: "hermetic", aroundPath: "deny", allow: ["uname"] });
    const { stdout, status, stderr } = await m.shell(
      "uname -s; /bin/uname -s; PATH=/usr/bin:/bin; uname -s; cat /dev/null",
    );
    expect({ stdout, status }).toEqual({ stdout: "Linux\nLinux\nLinux\n", status: 126 });
    expect(stderr).toMatch(/cat: Permission denied/);
    expect(m.problems).toEqual([
      expect.stringMatching(/^unexpected command: cat \/dev\/null .*\/usr\/bin\/cat goes .*denied/),
    ]);
  });

  it("allows what rules and handlers do, and paths and directories that are allowed", async () => {
    const bin = programs({ helper: "echo helper; exec /bin/uname -s", own: "echo own" });
    const m = await make({
      path: "hermetic",
      aroundPath: "deny",
      allow: [`${bin}/helper`, "/bin/uname"],
      env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` },
    });
    m.program("own")("spy").reply(spy);
    m.program("own")(any).reply(pass);
    m.tool.reply(async ({ thread }) => {
      const { Effect } = await import("effect");
      const { Command } = await import("@rsyscall/thread");
      await Effect.runPromise(thread.run(Command.make("/bin/echo", "by a handler")));
    });
    m("/usr/sbin/no-such-mailer").reply("mailed\n");
    const { stdout, stderr } = await m.shell(
      `own pass; own spy; tool; ${bin}/helper; /usr/sbin/no-such-mailer -t; /proc/self/exe -c 'echo shell'`,
    );
    expect({ stdout, stderr }).toEqual({
      stdout: "own\nown\nby a handler\nhelper\nLinux\nmailed\nshell\n",
      stderr: "",
    });
    expect(m.problems).toEqual([]);
    const other = await make({ path: "hermetic", allow: ["/"] });
    expect((await other.shell("/bin/uname -s")).stdout).toBe("Linux\n");
    other.verify();
  });

  it("sees no call of a program that is not there, nor the program under test itself", async () => {
    const script = join(directory(), "script");
    writeFileSync(script, "/nowhere/program; exit 3\n");
    chmodSync(script, 0o755);
    const m = await make({ path: "hermetic", aroundPath: "deny" });
    expect((await m.run(script)).status).toBe(3);
    expect(m.problems).toEqual([]);
    expect(m.warnings).toEqual([]);
  });

  it("says so where the system does not let it see", async () => {
    // There is one supervisor of a process: the outer one.
    const outer = await make({ path: "hermetic", allow: ["/"] });
    const inner = `
      import { mock } from "@rsyscall/mock";
      const m = await mock({ path: "hermetic" });
      console.log((await m.shell("/bin/uname -s")).stdout, m.warnings.join(), m.problems.length);
      await m.close();
      const strict = await mock({ path: "hermetic", aroundPath: "deny" });
      await strict.shell("/bin/uname -s").catch((error) => console.log(error.message));
      await strict.close();
    `;
    const { stdout, stderr } = await outer.run(
      process.execPath,
      ["--input-type=module", "-e", inner],
      {
        cwd: new URL("..", import.meta.url),
      },
    );
    expect(stderr).toBe("");
    const why =
      "what goes around PATH is seen by seccomp user notification, and the system refuses that: .*EBUSY.*supervise.*";
    expect(stdout).toMatch(
      new RegExp(`^Linux\\n ${why} 0\\nm.shell: ${why}It takes Linux 5\\.5 or newer`),
    );
  });

  it.skipIf(process.getuid?.() !== 0 || missing("setpriv") !== undefined)(
    "needs no rights",
    async () => {
      const path = directory();
      chmodSync(path, 0o777);
      const script = `
        import { mock } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
        const m = await mock({ path: "hermetic", aroundPath: "deny" });
        m.git.reply("mocked\\n");
        const { stdout, status } = await m.shell("git; /bin/uname");
        console.log(stdout.trim(), status, m.problems.length, m.warnings.length, process.getuid());
        await m.close({ verify: false });`;
      const { stdout, stderr } = ended(
        "setpriv",
        [
          "--reuid=65534",
          "--regid=65534",
          "--clear-groups",
          process.execPath,
          "--input-type=module",
          "-e",
          script,
        ],
        { cwd: "/", env: { ...process.env, TMPDIR: path } },
      );
      expect(stdout, stderr).toBe("mocked 126 1 0 65534\n");
      expect(readdirSync(path)).toEqual([]);
    },
  );

  it("refuses options that mean nothing", async () => {
    await expect(mock({ aroundPath: "deny" })).rejects.toThrow(
      /aroundPath is for path: "hermetic"/,
    );
    await expect(mock({ path: "hermetic", aroundPath: "no" as never })).rejects.toThrow(
      /aroundPath is "no", and must be "name" or "deny"/,
    );
    await expect(mock({ path: "everything", allow: ["/bin/sh"] })).rejects.toThrow(
      /\/bin\/sh is a path/,
    );
    await expect(mock({ path: "hermetic", allow: ["/usr"] })).rejects.toThrow(/is a directory/);
  });

  it("sees nothing of programs that others run: their PATH is hermetic", async () => {
    const m = await make({ path: "hermetic" });
    expect(sh(m, "/bin/uname -s; uname").status).toBe(127);
    expect(m.problems).toHaveLength(1);
  });
});
