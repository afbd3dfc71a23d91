import { spawnSync } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing } from "@rsyscall/harness";
import { assert, describe, it } from "vitest";
import { pass, spy } from "../src/index.ts";
import { directory, make, programs, run, sh } from "./mocks.ts";

const env = (...bins: ReadonlyArray<string>) => ({
  ...process.env,
  PATH: [...bins, process.env["PATH"]].join(":"),
});

/** Says what a program can see of itself. */
const PROBE = `#!/usr/bin/env python3
import os, sys
status = {l.split(":")[0]: l.split()[1] for l in open("/proc/self/status") if ":" in l and l.split()[1:]}
fds = []
for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
    try: fds.append((fd, os.readlink("/proc/self/fd/%d" % fd).split(":")[0]))
    except OSError: pass
print([sys.argv[1:], fds[:8], status["SigBlk"], status["SigIgn"], os.getppid() == int(os.environ["PARENT"]), os.getsid(0), os.getpgid(0), sorted(k for k in os.environ if k != "LC_CTYPE"), os.getcwd(), os.umask(0o22)])
`;

/** Starts a program with signals and descriptors of its own. */
const CALLER = `
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, 40})
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
extra = os.open("/dev/null", os.O_RDONLY); os.dup2(extra, 7)
os.environ["PARENT"] = str(os.getpid())
pid = os.fork()
if pid == 0: os.execvp("probe", ["probe", "an argument", ""])
assert os.waitpid(pid, 0) == (pid, 0)
`;

describe("pass", () => {
  it.skipIf(missing("python3") !== undefined)(
    "leaves a program as it is without us: parent, descriptors, signals, environment",
    async () => {
      const bin = programs({ probe: PROBE });
      const m = await make({ env: env(bin) });
      m("probe").reply(pass);
      const call = (PATH: string) =>
        spawnSync("python3", ["-c", CALLER], {
          env: { ...process.env, PATH },
          encoding: "utf8",
          cwd: "/",
          timeout: 10_000,
        });
      const without = call(env(bin).PATH);
      const within = call(m.path);
      assert.equal(within.stderr, "");
      assert.equal(within.stdout, without.stdout);
      assert.equal(m.calls[0]?.outcome, "passed");
    },
  );

  it("keeps the pid, argv[0], and a script without #!", async () => {
    const bin = programs({});
    writeFileSync(join(bin, "plain"), 'echo "$$ $1"\n', { mode: 0o755 });
    const m = await make({ env: env(bin) });
    m("plain").reply(pass);
    const { stdout } = await run("plain", ["an argument"], { env: m.env });
    assert.equal(stdout, `${m.calls[0]?.pid} an argument\n`);
    // Its own name becomes its path, for programs that look for themselves in PATH; any other one stays.
    m("dash").reply(pass);
    const script = "exec -a '-odd name' dash -c 'echo \"$0\"; readlink /proc/$$/exe'";
    assert.match(
      (await run("bash", ["-c", script], { env: m.env })).stdout,
      /^-odd name\n.*\/dash\n$/,
    );
  });

  it.skipIf(missing("python3", "gcc"))(
    "lets programs find themselves, by their name or by their path",
    async () => {
      const [around, within] = [await make(), await make()];
      const asks: Readonly<Record<string, ReadonlyArray<string>>> = {
        python3: [
          "-c",
          "import sys; print(sys.executable, sys.prefix, *open('/proc/self/cmdline').read().split(chr(0))[:1])",
        ],
        bash: ["-c", 'echo "$BASH"; tr "\\0" "\\n" </proc/$$/cmdline | head -n 1'],
        gcc: ["-print-prog-name=cc1"],
      };
      for (const [name, args] of Object.entries(asks)) {
        around.program(name).reply(pass({ mocked: false }));
        const without = (await run(name, args)).stdout;
        // PATH has not us: argv[0] is that of the caller, and all is as without us.
        assert.equal((await run(name, args, { env: around.env })).stdout, without);
        // PATH has us first: argv[0] is the path, and what the program finds by it is the same.
        within.program(name).reply(pass);
        const lines = without.replace(new RegExp(`(^|\\s)${name}\\n$`), "$1");
        assert.isTrue((await run(name, args, { env: within.env })).stdout.startsWith(lines), name);
      }
      const { stdout } = await run("bash", ["-c", "tr '\\0' ' ' </proc/$$/cmdline"], {
        env: within.env,
      });
      assert.match(stdout, /^\/\S+\/bash -c/);
    },
  );

  it("changes program, arguments and environment", async () => {
    const bin = programs({ tool: 'echo "tool $0 $* $A"', other: 'echo "other $0 $* $A"' });
    const m = await make({ env: env(bin) });
    m.tool("args").reply(pass({ args: ["x", "y z"] }));
    m.tool("name").reply(pass({ program: "other" }));
    m.tool("path").reply(pass({ program: join(bin, "other"), args: [] }));
    m.tool("env").reply(pass({ env: { A: "set", HOME: undefined } }));
    m("other");
    assert.equal(
      sh(m, "tool args; tool name 1; tool path 1; A=1 tool env").stdout,
      `tool ${bin}/tool x y z \nother ${bin}/other name 1 \nother ${bin}/other  \ntool ${bin}/tool env set\n`,
    );
  });

  it("takes the mock out of PATH, if that is asked for", async () => {
    const bin = programs({ outer: "inner", inner: "echo real" });
    const m = await make({ env: env(bin) });
    m("outer", "mocked").reply(pass);
    m("outer", "real").reply(pass({ mocked: false }));
    m("inner").reply("mocked\n");
    assert.equal(sh(m, "outer mocked; outer real; inner").stdout, "mocked\nreal\nmocked\n");
  });

  it("finds the real program behind two mocks, in any order, and in PATH more than once", async () => {
    const bin = programs({ tool: "echo real" });
    const a = await make({ env: env(bin) });
    const b = await make({ env: a.env });
    for (const m of [a, b]) m.tool.otherwise(pass);
    const [first, second] = [a, b].map(({ directory }) => `${directory}/bin`);
    for (const path of [
      b.path,
      `${first}:${second}:${bin}`,
      `${first}:${second}:${first}:${bin}`,
      `${second}:${first}:${second}:${first}:${bin}:/usr/bin:/bin`,
    ])
      assert.deepEqual(sh(a, "tool", { env: { PATH: path } }), {
        status: 0,
        stdout: "real\n",
        stderr: "",
      });
    // The second one may answer what the first one has passed.
    a.tool("to a").reply("by a\n");
    assert.equal(sh(b, "tool 'to a'").stdout, "by a\n");
  });

  it("fails in words if a path is no program", async () => {
    for (const [program, status, message] of [
      ["/etc/passwd", 126, /may not be executed/],
      ["./no-such-tool", 127, /no such file/],
    ] as const) {
      const m = await make();
      m("tool").reply(pass({ program }));
      const called = sh(m, "tool");
      assert.equal(called.status, status);
      assert.match(called.stderr, message);
      assert.match(m.problems.join(), message);
    }
  });

  it("fails in words if there is no such program", async () => {
    for (const reply of [pass, spy, pass({ program: "no-such-tool-2" })]) {
      const m = await make();
      m("no-such-tool").reply(reply);
      const { status, stderr } = sh(m, "no-such-tool");
      assert.equal(status, 127);
      assert.match(
        stderr,
        /^no-such-tool: rsyscall: the real program cannot run: no-such-tool.*: not found in PATH/,
      );
      assert.equal(m.calls[0]?.outcome, "failed");
      assert.lengthOf(m.problems, 1);
    }
  });

  it.skipIf(missing("gcc", "perl", "python3", "bash") !== undefined)(
    "serves programs that look for themselves in PATH",
    async () => {
      const m = await make({ env: { ...process.env, PATH: "/usr/bin:/bin" } });
      for (const name of ["gcc", "python3", "perl", "bash"]) m(name).reply(pass);
      const out = join(directory(), "x.o");
      assert.deepEqual(sh(m, `echo 'int x;' | gcc -x c -c -o ${out} -`), {
        status: 0,
        stdout: "",
        stderr: "",
      });
      assert.isTrue(statSync(out).isFile());
      assert.equal(
        sh(m, "python3 -ISc 'import sys; print(sys.executable)'").stdout,
        "/usr/bin/python3\n",
      );
      assert.equal(sh(m, "perl -e 'print $^X'").stdout, "/usr/bin/perl");
    },
  );
});
