import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { missing } from "@rsyscall/harness";
import { describe, expect, test } from "vitest";
import { BIN, directoryOf, env, rsyscall } from "./commandLine.ts";

const HANDLERS = new URL("../../../../docs/mock/handlers", import.meta.url);

/** A handler in Python: the body of a function that answers a call. */
const handler = (body: string): string =>
  join(
    directoryOf({
      "h.py": `import json, os, sys, time
def say(line): print(line if isinstance(line, str) else json.dumps(line), flush=True)
for line in sys.stdin:
    call = json.loads(line)
    id = call["id"]
${body.replace(/^/gm, "    ")}
`,
    }),
    "h.py",
  );

/** Runs a script of the shell with a handler for x. */
const withHandler = (body: string, script: string, more: ReadonlyArray<string> = []) =>
  rsyscall(["mock", "--handler", `x=python3 ${handler(body)}`, ...more, "--", "sh", "-c", script]);

describe("a handler", () => {
  test("gets the call, and answers it", () => {
    const { status, stdout, stderr } = withHandler(
      `say({"id": id, "stdout": json.dumps([call["rsyscall"], call["program"], call["argv"], call["cwd"], call["env"]["A"], "stdin" in call]), "stderr": "e\\n", "status": 3})`,
      "cd /; A=1 x 'a b' ''; echo $?",
    );
    expect(stdout).toBe('[1, "x", ["x", "a b", ""], "/", "1", false]3\n');
    expect({ status, stderr }).toEqual({ status: 0, stderr: "e\n" });
  });

  test("is started once, and asked for patterns and rules in their order", () => {
    const command = `python3 ${handler('say({"id": id, "stdout": f"{os.getpid()} {id}\\n"})')}`;
    const { status, stdout } = rsyscall([
      "mock",
      "--handler",
      `x one=${command}`,
      "--on",
      "x:stdout=rule\\n",
      "--handler",
      `y=${command}`,
      "--",
      "sh",
      "-c",
      "x one; x two; y",
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^(\d+) 1\nrule\n\1 2\n$/);
  });

  test("asks for stdin, as text or base64, and answers with bytes", () => {
    const { status, stdout } = withHandler(
      `if "stdin" in call: say({"id": id, "stdout": call["stdin"]})
elif "stdinBase64" in call: say({"id": id, "stdoutBase64": call["stdinBase64"]})
else: say({"id": id, "want": "stdin"})`,
      "echo é | x; printf '\\377\\000' | x | od -An -tx1",
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: "é\n ff 00\n" });
  });

  test("lets pass, denies, and ends the process by a signal", () => {
    const body = `a = call["argv"][1:]
say({"id": id, **({"pass": True} if a == ["-s"] else {"deny": "not here"} if a else {"signal": "TERM"})})`;
    const { status, stdout, stderr } = rsyscall([
      "mock",
      "--handler",
      `uname=python3 ${handler(body)}`,
      "--",
      "sh",
      "-c",
      "uname -s; uname -r; echo $?; uname; echo $?",
    ]);
    expect(stdout).toBe("Linux\n126\n143\n");
    expect(stderr).toContain("uname: not here\n");
    expect(status).toBe(0);
  });

  test("has several calls in flight, and answers in any order", () => {
    const { status, stdout } = withHandler(
      `first = globals().get("first")
if first is None: first = id
else: say({"id": id, "stdout": "second\\n"}); time.sleep(0.1); say({"id": first, "stdout": "first\\n"})`,
      "x 1 & x 2; wait",
    );
    expect({ status, stdout: stdout.split("\n").sort() }).toEqual({
      status: 0,
      stdout: ["", "first", "second"],
    });
  });
});

describe("a handler that fails: the caller gets 70, and the report says it", () => {
  test.each([
    ["ends", "sys.exit(3)", /has ended with status 3/],
    [
      "is killed",
      "os.kill(os.getpid(), 9)",
      /(was ended by the signal SIGKILL|has ended with status 137)/,
    ],
    [
      "prints for people",
      "say('hello'); time.sleep(9)",
      /has written "hello", and an answer is a line with an object of JSON: what it prints for people goes to stderr/,
    ],
    [
      "answers no call",
      "say({'id': 99}); time.sleep(9)",
      /and the id of an answer is that of a call/,
    ],
    [
      "misspells",
      "say({'id': id, 'stauts': 1})",
      /has given a wrong answer: there is no stauts: did you mean status\?/,
    ],
    ["gives no number", "say({'id': id, 'status': '1'})", /status is "1", and must be a number/],
    [
      "gives a wrong status",
      "say({'id': id, 'status': 256})",
      /status is 256, and must be a whole number from 0 to 255/,
    ],
    [
      "wants twice",
      "say({'id': id, 'want': 'stdin'})",
      /want is "stdin", and must be "stdin", and once/,
    ],
    ["passes and prints", "say({'id': id, 'pass': True, 'stdout': ''})", /pass stands alone/],
    [
      "writes without end",
      "\nwhile True: sys.stdout.write('x' * 65536)",
      /a line has at most 16777216 bytes/,
    ],
  ])("one that %s", (_, body, problem) => {
    const { status, stdout, stderr } = withHandler(body, "x </dev/null; echo $?; exit 0");
    expect(stdout).toBe("70\n");
    expect(status).toBe(1);
    const [first = "", ...rest] = stderr.split("\n").filter((line) => line.includes("the handler"));
    expect(first).toMatch(/^x: rsyscall: its handler has failed: the handler 'python3 \S+' /);
    expect(first).toMatch(problem);
    expect(rest.join("\n")).toMatch(problem);
  });

  test("one that never answers has a deadline, and is ended though it does not listen", () => {
    const started = performance.now();
    const { status, stdout, stderr } = withHandler(
      "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(60)",
      "x; echo $?",
      ["--handler-limit", "300"],
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: "70\n" });
    expect(stderr).toContain("has not answered within 300 ms");
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  test("one that is not there, and calls that come later", () => {
    const { stdout, stderr } = rsyscall([
      "mock",
      "--handler",
      "x=exec /nowhere/handler",
      "--",
      "sh",
      "-c",
      "x; echo $?; x; echo $?",
    ]);
    expect(stdout).toBe("70\n70\n");
    expect(stderr).toContain("the handler 'exec /nowhere/handler' has ended with status 127");
  });
});

describe("modules with rules", () => {
  const spec = (name: string, text: string) => {
    const directory = directoryOf({ [name]: text });
    return (script: string, TMPDIR = process.env["TMPDIR"]) =>
      rsyscall(["mock", "--spec", name, "--", "sh", "-c", script], {
        cwd: directory,
        env: env({ TMPDIR }),
      });
  };

  test.each([
    [
      "mocks.ts",
      'import { type Mock, pass } from "@rsyscall/mock";\nenum E { A = 4 }\nexport default (m: Mock): void => { m.git("push").reply(E.A as number); m.uname.otherwise(pass); };',
    ],
    [
      "mocks.mjs",
      'import { pass } from "@rsyscall/mock";\nexport default async (m) => { m.git("push").reply(4); m.uname.otherwise(pass); };',
    ],
    [
      "mocks.js",
      'const { pass } = require("@rsyscall/mock");\nmodule.exports = (m) => { m.git("push").reply(4); m.uname.otherwise(pass); };',
    ],
    [
      "mocks.cjs",
      'module.exports = (m) => { m.git("push").reply(4); m.uname.otherwise({ reply: "pass" }); };',
    ],
  ])("%s", (name, text) => {
    const tmp = directoryOf();
    const { status, stdout, stderr } = spec(name, text)("git push; echo $?; uname", tmp);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "4\nLinux\n", stderr: "" });
    // A cache of what was loaded could be changed by others.
    expect(readdirSync(tmp)).toEqual([]);
  });

  test("functions, and what they throw", () => {
    const run = spec(
      "mocks.ts",
      'export default (m: any) => { m.x.reply(async ({ stdin }: any) => (await stdin.text()).toUpperCase()); m.y.reply(() => { throw new Error("oops"); }); };',
    );
    expect(run("echo hi | x")).toEqual({ status: 0, stdout: "HI\n", stderr: "" });
    const failed = run("y; echo $?");
    expect(failed).toMatchObject({ status: 1, stdout: "70\n" });
    expect(failed.stderr).toContain("oops");
  });

  test("one without a function", () => {
    expect(spec("mocks.ts", "export const a = 1;")("true")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(
        "the default export of mocks.ts is no function: write export default",
      ),
    });
  });
});

describe("the examples of the documentation, with the real runners", () => {
  const run = (rules: ReadonlyArray<string>, command: ReadonlyArray<string>) => {
    const directory = directoryOf({ npx: `#!/bin/sh\nshift\nexec node '${BIN}' "$@"\n` });
    cpSync(HANDLERS, directory, { recursive: true });
    return rsyscall(
      [
        "mock",
        "--handler",
        "git=python3 fake_git.py",
        ...rules,
        "--log",
        `${directory}/calls.jsonl`,
        "--",
        ...command,
      ],
      {
        cwd: directory,
        env: env({
          PATH: `${directory}:${process.env["PATH"]}`,
          GOCACHE: `${directory}/cache`,
          GOFLAGS: "-count=1",
        }),
        timeout: 120_000,
      },
    );
  };
  const noPytest = missing("pytest");
  test.skipIf(noPytest)(
    `pytest${noPytest ? ` (skipped: ${noPytest})` : ""}`,
    () => {
      const { status, stdout, stderr } = run(
        [],
        ["python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_deploy.py"],
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toContain("4 passed");
    },
    60_000,
  );

  const noBats = missing("bats");
  test.skipIf(noBats)(
    `bats${noBats ? ` (skipped: ${noBats})` : ""}`,
    () => {
      const { status, stdout } = run([], ["bats", "--tap", "deploy.bats"]);
      expect(stdout).toContain("ok 1 pushes once\nok 2 force is refused\n");
      expect(status).toBe(0);
    },
    60_000,
  );

  const noGo = missing("go");
  test.skipIf(noGo)(
    `go test${noGo ? ` (skipped: ${noGo})` : ""}`,
    () => {
      const { status, stdout } = run(["--on", "git *=pass"], ["go", "test", "./..."]);
      expect(stdout).toContain("ok  \tdeploy");
      expect(status).toBe(0);
    },
    120_000,
  );
});
