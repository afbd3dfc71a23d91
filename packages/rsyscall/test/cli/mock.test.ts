import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { atTerminal, BIN, directoryOf, env, mocksLeft, rsyscall } from "./commandLine.ts";

/** Runs a script of the shell with rules. */
const sh = (rules: ReadonlyArray<string>, script: string, more: ReadonlyArray<string> = []) =>
  rsyscall(["mock", ...rules.flatMap((rule) => ["--on", rule]), ...more, "--", "sh", "-c", script]);

describe("rules", () => {
  test("replies, pass and deny; the first rule that fits decides", () => {
    const { status, stdout, stderr } = sh(
      ["uname -s:stdout=Plan9\\n,status=3", "uname *=pass", "ssh host=deny", "date:stderr=no\\n"],
      "uname -s; echo $?; uname; echo $?; ssh host; echo $?; date; echo $?",
    );
    expect(stdout).toBe("Plan9\n3\nLinux\n0\n126\n0\n");
    expect(stderr).toBe("ssh: rsyscall: this call is denied by ssh host=deny\nno\n");
    expect(status).toBe(0);
  });

  test("an unexpected call fails, and is listed with the nearest rule", () => {
    const { status, stderr } = sh(["git push"], "git push; git pull || exit 0");
    expect(status).toBe(1);
    expect(stderr).toMatch(/✗ unexpected command: git pull .*nearest: git push\n/);
    expect(stderr).toContain("calls so far:\n  git push\n  git pull (unexpected) → 127\n");
    expect(stderr.startsWith("git: rsyscall: unexpected command: git pull")).toBe(true);
  });

  test("a call that is missing fails", () => {
    expect(sh(["git push:times=2"], "git push")).toEqual({
      status: 1,
      stdout: "",
      stderr:
        "rsyscall mock: 1 problem\n✗ git push was called once, and must be called twice\ncalls so far:\n  git push\n",
    });
  });

  test("--strict: each rule must be called, unless it says how often", () => {
    expect(sh(["git push", "git pull"], "git push").status).toBe(0);
    const { status, stderr } = sh(["git push", "git pull", "ssh:times=0"], "git push", [
      "--strict",
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain("✗ git pull was not called, and must be called once or more\n");
  });

  test("hermetic: only what is allowed, and the command itself", () => {
    const { status, stdout, stderr } = sh(
      ["git push"],
      "git push && sed p </dev/null; cat x; echo $PATH",
      ["--hermetic", "--allow", "sed,true"],
    );
    expect(stdout).toMatch(/^\/\S+\/bin\n$/);
    expect(status).toBe(1);
    expect(stderr).toContain("unexpected command: cat x");
    expect(stderr).toContain("rsyscall mock: 1 problem\n");
  });

  test("hermetic: what goes around PATH is named, or denied", () => {
    const script = "/usr/bin/env uname";
    const named = sh([], script, ["--hermetic", "--allow", "uname"]);
    expect(named).toMatchObject({ status: 1, stdout: "Linux\n" });
    expect(named.stderr).toMatch(/✗ unexpected command: env uname .*\/usr\/bin\/env goes around/);
    const denied = sh([], script, ["--hermetic", "--deny-around-path"]);
    expect(denied).toMatchObject({ status: 126, stdout: "" });
    expect(denied.stderr).toMatch(/Permission denied\n.*✗ .* and was denied: /s);
    const allowed = sh([], script, ["--hermetic", "--allow", "uname,/usr/bin/"]);
    expect(allowed).toEqual({ status: 0, stdout: "Linux\n", stderr: "" });
  });

  test("everything: all names lead here, and one rule can let them pass", () => {
    const { status, stdout } = sh(["sed=deny", "*=pass"], "sed p; uname", ["--everything"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "Linux\n" });
  });

  test("a rule for every program means everything, and names the program", () => {
    expect(sh(["uname=pass", "*=deny"], "uname; expr 1 + 1")).toEqual({
      status: 126,
      stdout: "Linux\n",
      stderr: "expr: rsyscall: expr is denied by *=deny\n",
    });
  });

  test("absolute paths, also of programs that are not there", () => {
    const { status, stdout } = sh(
      ["/usr/sbin/no-such-mailer -t:stdout=mailed\\n,times=1", "/bin/uname *=pass"],
      "/usr/sbin/no-such-mailer -t; env -i /bin/uname; exit 4",
    );
    expect({ status, stdout }).toEqual({ status: 4, stdout: "mailed\nLinux\n" });
    expect(existsSync("/usr/sbin/no-such-mailer")).toBe(false);
  });

  test("a mocked program as the command", () => {
    expect(rsyscall(["mock", "--on", "git push:stdout=ok", "--", "git", "push"])).toEqual({
      status: 0,
      stdout: "ok",
      stderr: "",
    });
  });
});

describe("the exit status", () => {
  test.each([
    ["exit 7", 7],
    ["kill -TERM $$", 143],
    ["kill -KILL $$", 137],
  ])("%s", (script, status) => {
    expect(sh([], script).status).toBe(status);
  });

  test("a command that is not there, or that cannot be executed", () => {
    const directory = directoryOf();
    expect(rsyscall(["mock", "--", "no-such-command"])).toEqual({
      status: 127,
      stdout: "",
      stderr: "rsyscall mock: no-such-command was not found\n",
    });
    expect(rsyscall(["mock", "--", directory]).status).toBe(126);
  });

  test("of a command that fails and was mocked wrongly: its own", () => {
    expect(sh([], "exit 9", ["--on", "git push:times=1"]).status).toBe(9);
  });
});

describe("signals", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "%s reaches the command, and leaves nothing behind",
    async (signal) => {
      const tmp = directoryOf();
      const child = spawn(
        process.execPath,
        [
          BIN,
          "mock",
          "--on",
          "git push",
          "--",
          "sh",
          "-c",
          `trap 'echo got; git push; exit 5' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`,
        ],
        { env: env({ TMPDIR: tmp }), stdio: ["ignore", "pipe", "inherit"], detached: true },
      );
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        if (!output.includes("ready") && (output + text).includes("ready")) child.kill(signal);
        output += text;
      });
      const [status] = await once(child, "close");
      expect({ status, output }).toEqual({ status: 5, output: "ready\ngot\n" });
      expect(mocksLeft(tmp)).toEqual([]);
    },
  );

  test("a command that the signal ends: 128 and its number", async () => {
    const tmp = directoryOf();
    const child = spawn(
      process.execPath,
      [BIN, "mock", "--", "sh", "-c", "echo ready; exec sleep 60"],
      {
        env: env({ TMPDIR: tmp }),
        stdio: ["ignore", "pipe", "inherit"],
        detached: true,
      },
    );
    child.stdout.once("data", () => child.kill("SIGTERM"));
    const [status] = await once(child, "close");
    expect(status).toBe(143);
    expect(mocksLeft(tmp)).toEqual([]);
  });

  test.each([
    ["", []],
    [", also with a mocked path", ["--on", "/usr/sbin/no-such-mailer"]],
    [", also in a hermetic mock", ["--hermetic", "--allow", "sleep"]],
  ])("Ctrl-C on a terminal comes once%s", (_, options) => {
    const tmp = directoryOf();
    // It executes nothing meanwhile: before a supervisor has heard of it, an execve(2) fails with EINTR if a signal comes.
    const script =
      "trap 'n=$((n+1)); echo interrupted' INT; test -t 0 && echo ready; while [ -z \"$n\" ]; do :; done; sleep 0.3; exit 4";
    const { screen, status } = atTerminal(
      [process.execPath, BIN, "mock", ...options, "--", "sh", "-c", script],
      [["ready", "\x03"]],
      { env: env({ TMPDIR: tmp }) },
    );
    expect(screen).toBe("ready\n^Cinterrupted\n");
    expect(status).toBe(4);
    expect(mocksLeft(tmp)).toEqual([]);
  });

  test("a shell's job: Ctrl-Z and fg, with a mocked path and a spied program", () => {
    const command = `${process.execPath} ${BIN} mock --on '/usr/sbin/no-such-mailer' --on 'cat *=spy' -- sh -c 'cat; exit 6'`;
    const { screen, status, left } = atTerminal(
      ["bash", "--norc", "--noediting", "-i"],
      [
        ["bash-", `${command}\n`],
        ["exit 6'\r\n", "first\n"],
        ["first\r\nfirst\r\n", "\x1a"],
        ["Stopped", ""],
        ["bash-", "fg\n"],
        ["fg\r\n", ""],
        ["exit 6'\r\n", "second\n"],
        ["second\r\nsecond\r\n", "\x04"],
        ["bash-", "echo status $?\n"],
        ["status 6\r\n", "exit\n"],
      ],
      // A reader of a terminal that has a signal, and has not run since, takes what is typed before it stops. So the
      // prompt comes when no cat of this terminal runs.
      {
        env: {
          ...env(),
          PROMPT_COMMAND: "while pgrep -s 0 -x -r R,S,D cat > /dev/null; do sleep .01; done",
        },
      },
    );
    expect({ left, status }, screen).toEqual({ left: [], status: 0 });
  });
});

describe("reports", () => {
  test("JSON", () => {
    const directory = directoryOf();
    const report = join(directory, "report.json");
    sh(["git push:times=1", "ssh host"], "git push; git 'a b'", ["--report", `json:${report}`]);
    const { time, duration, calls, ...rest } = JSON.parse(readFileSync(report, "utf8"));
    expect(new Date(time).getTime()).toBeGreaterThan(Date.now() - 60_000);
    expect(duration).toBeGreaterThan(0);
    expect(rest).toEqual({
      rsyscall: 1,
      command: ["sh", "-c", "git push; git 'a b'"],
      status: 127,
      rules: [
        { rule: "git push", program: "git", expected: "once", min: 1, max: 1, calls: 1 },
        { rule: "ssh host", program: "ssh", expected: "any number of times", min: 0, calls: 0 },
      ],
      problems: [expect.stringContaining("unexpected command: git 'a b'")],
    });
    expect(calls).toMatchObject([
      { index: 0, program: "git", argv: ["git", "push"], outcome: "replied", status: 0 },
      { index: 1, argv: ["git", "a b"], outcome: "unexpected", status: 127 },
    ]);
  });

  test("JUnit, with what XML cannot have", () => {
    const directory = directoryOf();
    const report = join(directory, "report.xml");
    sh(
      ["git push:times=1", "sendmail:times=1"],
      `git push; git "<&\\">" "$(printf '\\001\\ttab')"; true`,
      ["--report", `junit:${report}`],
    );
    const xml = readFileSync(report, "utf8");
    expect(junitProblems(xml)).toEqual([]);
    expect(xml).toContain('tests="4" failures="2" errors="0"');
    expect(xml).toContain(
      '<testcase name="git push: once" classname="rsyscall.mock" time="0.000"/>',
    );
    expect(xml).toContain("sendmail was not called, and must be called once");
  });

  test("a report on stdout, and two at once", () => {
    const directory = directoryOf();
    const { stdout } = sh([], "true", ["--report", "junit:-", "--report", `json:${directory}/a`]);
    expect(junitProblems(stdout)).toEqual([]);
    expect(existsSync(`${directory}/a`)).toBe(true);
  });
});

describe("a cassette", () => {
  test("is recorded, and replayed without the programs; a stale one fails", () => {
    const directory = directoryOf();
    const file = join(directory, "calls.json");
    const script = "uname -s; basename /a/b; expr 1 + 1 | cat; exit 3";
    const command = ["--", "sh", "-c", script];
    const recorded = rsyscall([
      "mock",
      "--record",
      file,
      "--programs",
      "uname,basename",
      ...command,
    ]);
    expect(recorded).toEqual({ status: 3, stdout: "Linux\nb\n2\n", stderr: "" });
    expect(rsyscall(["mock", "--replay", file, ...command])).toEqual(recorded);
    const stale = rsyscall(["mock", "--replay", file, "--", "sh", "-c", "uname -s; basename /a/c"]);
    expect(stale.status).not.toBe(0);
    expect(stale.stderr).toContain("basename /a/c");
    expect(stale.stderr).toContain("record it again with --record (- recorded");
  });

  test("both at once are wrong usage", () => {
    expect(rsyscall(["mock", "--record", "a", "--replay", "b", "--", "true"])).toMatchObject({
      status: 2,
      stderr: "rsyscall: --record and --replay exclude each other: give one of them\n",
    });
  });
});

describe("the log", () => {
  test("a line for each call before it is answered, and one with its outcome", () => {
    const directory = directoryOf();
    const log = join(directory, "calls.jsonl");
    const { stdout } = sh(
      ["git *:status=4"],
      `cd /; git push 'a b' ''; wc -l <'${log}' | tr -d ' '; cat '${log}'`,
      ["--log", log],
    );
    const lines = readFileSync(log, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    // What the script has seen, when the program had ended.
    expect(Number(stdout.split("\n")[0])).toBeGreaterThanOrEqual(1);
    expect(lines[0]).toEqual({
      rsyscall: 1,
      event: "call",
      call: 0,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      program: "git",
      path: expect.stringMatching(/\/bin\/git$/),
      argv: ["git", "push", "a b", ""],
      cwd: "/",
      pid: expect.any(Number),
      ppid: expect.any(Number),
      parent: expect.stringContaining("sh -c"),
      outcome: "pending",
    });
    expect(lines[1]).toEqual({
      rsyscall: 1,
      event: "outcome",
      call: 0,
      outcome: "replied",
      status: 4,
    });
    expect(lines).toHaveLength(2);
  });
});

/** What is wrong with a JUnit report, after the schema that Jenkins publishes (junit-10.xsd), by a real XML parser. */
const junitProblems = (xml: string): ReadonlyArray<string> => {
  const { stdout, stderr } = spawnSync("python3", ["-c", JUNIT], { input: xml, encoding: "utf8" });
  return [...stdout.split("\n"), ...stderr.split("\n")].filter((line) => line !== "");
};

const JUNIT = `
import re, sys
import xml.etree.ElementTree as E
root = E.fromstring(sys.stdin.buffer.read())
NUMBER, TIME = re.compile(r"^\\d+$"), re.compile(r"^\\d+(\\.\\d+)?$")
counts = {"tests": NUMBER, "failures": NUMBER, "errors": NUMBER, "time": TIME}
SCHEMA = {
    "testsuites": ({"name": None, **counts}, {}, ["testsuite"]),
    "testsuite": ({"name": None, "tests": NUMBER, "failures": NUMBER, "errors": NUMBER},
                  {"time": TIME, "skipped": NUMBER, "timestamp": re.compile(r"^\\d{4}(-\\d\\d){2}T(\\d\\d:){2}\\d\\d$")}, ["testcase"]),
    "testcase": ({"name": None, "classname": None}, {"time": TIME}, ["failure"]),
    "failure": ({}, {"message": None, "type": None}, []),
}
def check(e):
    required, optional, children = SCHEMA[e.tag]
    for name in required:
        if name not in e.attrib: print(e.tag, "has no", name)
    for name, value in e.attrib.items():
        pattern = {**required, **optional}.get(name, 0)
        if pattern == 0: print(e.tag, "has", name)
        elif pattern and not pattern.match(value): print(e.tag, name, value)
    for child in e:
        if child.tag not in children: print(e.tag, "has", child.tag)
        else: check(child)
if root.tag != "testsuites": print("root is", root.tag)
check(root)
for suite in root:
    cases = suite.findall("testcase")
    if int(suite.get("tests")) != len(cases): print("tests")
    if int(suite.get("failures")) != len(suite.findall("testcase/failure")): print("failures")
`;
