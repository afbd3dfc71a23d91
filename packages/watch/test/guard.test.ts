import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openpty } from "@rsyscall/handle";
import { it, tempDirectory, textOf } from "@rsyscall/harness";
import { allow } from "@rsyscall/seccomp";
import { LocalThread } from "@rsyscall/thread";
import {
  ask,
  askAtTerminal,
  deny,
  guard,
  type LoggedDecision,
  loadPolicy,
  outside,
  type Policy,
  reply,
  rewrite,
} from "@rsyscall/watch";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";

const linesOf = (path: string): ReadonlyArray<LoggedDecision> =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Guards a shell script, and gives the decisions and what the script has written to `$1`. */
const guardedScript = (script: string, policy: Policy | string, options: object = {}) =>
  Effect.gen(function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    const log = join(directory, "log");
    const out = join(directory, "out");
    const result = yield* guard(thread, {
      command: ["sh", "-c", `exec >"$1" 2>/dev/null; ${script}`, "sh", out],
      policy,
      log,
      tellDenials: false,
      ...options,
    });
    return { ...result, decisions: linesOf(log), out: textOf(out) };
  });

describe("guard", () => {
  it("decides each program, and logs each decision", function* () {
    const { status, decisions, out, allowed, denied } = yield* guardedScript(
      "/bin/echo one; cd /; env -i /bin/echo two; /bin/touch /tmp/never; echo $?; exit 4",
      (call) => (call.name === "touch" ? deny("no files") : "allow"),
    );
    assert.equal(status, 4);
    assert.equal(out, "one\ntwo\n126\n");
    assert.deepEqual([allowed, denied], [4, 1]);
    const touch = decisions.at(-1) as LoggedDecision;
    assert.deepEqual({ ...touch, time: "", pid: 0, path: "", parent: touch.parent?.argv[0] }, {
      time: "",
      decision: "deny",
      errno: "EACCES",
      message: "no files",
      isFailure: false,
      pid: 0,
      path: "",
      argv: ["/bin/touch", "/tmp/never"],
      cwd: "/",
      parent: "sh",
    } as never);
    assert.equal(decisions[0]?.parent, null);
    assert.equal(decisions[1]?.cwd, process.cwd());
  });

  it("gives the policy the call, with its environment", function* () {
    const seen: Array<unknown> = [];
    yield* guardedScript("A=b /bin/echo 'a b' \"it's\"", ({ name, args, line, env, parent }) => {
      if (name === "echo") seen.push([args, line, env["A"], parent?.argv.slice(0, 2)]);
      return "allow";
    });
    assert.deepEqual(seen, [[["a b", "it's"], "/bin/echo 'a b' 'it'\\''s'", "b", ["sh", "-c"]]]);
  });

  it("loads a policy in TypeScript, which may import this package and be async", function* () {
    const directory = yield* tempDirectory;
    const file = (name: string, text: string) => {
      const path = join(directory, name);
      writeFileSync(path, text);
      return path;
    };
    const policy = file(
      "policy.ts",
      `import { deny, type Policy } from "@rsyscall/watch";
       enum Names { forbidden = "true" }
       const policy: Policy = async ({ name }) => (name === Names.forbidden ? deny("forbidden", "EPERM") : "allow");
       export default policy;`,
    );
    const { decisions } = yield* guardedScript("/bin/true", policy);
    assert.equal(decisions.at(-1)?.errno, "EPERM");
    const { decisions: others } = yield* guardedScript(
      "/bin/true",
      file("policy.mjs", 'export default () => "allow";'),
    );
    assert.equal(others.at(-1)?.decision, "allow");
    const problems: Array<string> = [];
    for (const [name, text] of [
      ["broken.ts", "export default (call) => {"],
      ["none.ts", "export const policy = 1;"],
    ] as const)
      problems.push((yield* Effect.flip(loadPolicy(file(name, text)))).message);
    problems.push((yield* Effect.flip(loadPolicy(join(directory, "absent.ts")))).message);
    assert.match(problems[0] as string, /broken\.ts: cannot be loaded: /);
    assert.match(problems[1] as string, /none\.ts: must have a function as its default export/);
    assert.match(problems[2] as string, /absent\.ts: there is no such file$/);
  });

  it("denies when the policy fails, gives no verdict, or gives none in time", function* () {
    const { decisions, out } = yield* guardedScript(
      "for i in 1 2 3 4; do /bin/echo $i; done; /bin/echo end",
      ({ args: [first] }) => {
        if (first === "1") throw new Error("a fault");
        if (first === "2") return "perhaps" as never;
        if (first === "3") return new Promise(() => {});
        if (first === "4") return Promise.reject(new Error("another"));
        return "allow";
      },
      { deadline: "50 millis" },
    );
    assert.equal(out, "end\n");
    assert.deepEqual(
      decisions.slice(1, 5).map(({ decision, message }) => [decision, message]),
      [
        ["deny", "the decision failed: a fault"],
        ["deny", "the policy gave perhaps, which is no verdict"],
        ["deny", "the policy gave no verdict within 50ms"],
        ["deny", "the decision failed: another"],
      ],
    );
  });

  it("asks at the terminal, one question at a time", function* () {
    const thread = yield* LocalThread;
    const [master, terminal] = yield* openpty(thread);
    const path = `/proc/self/fd/${terminal.near}`;
    const screen: Array<string> = [];
    const answers = ["what?\n", "y\n", "no\n", "always\n"];
    const user = yield* Effect.forkChild(
      Effect.forever(
        Effect.flatMap(master.readBytes(), (bytes) => {
          screen.push(Buffer.from(bytes).toString());
          return screen.join("").split("never: ").length > 5 - answers.length
            ? master.writeAllText(answers.shift() ?? "\x04")
            : Effect.void;
        }),
      ),
    );
    const { out, decisions } = yield* guardedScript(
      "/bin/echo 1; /bin/echo 2; /bin/echo 3; /bin/echo 4; /nowhere/echo; echo $?",
      ({ name }) => (name === "echo" ? ask("is that\x1b right") : "allow"),
      { ask: askAtTerminal(thread, path) },
    );
    yield* Fiber.interrupt(user);
    assert.equal(out, "1\n3\n4\n127\n");
    const text = screen.join("");
    assert.match(text, /rsyscall guard: \/bin\/echo 1 \(pid \d+, by sh -c/);
    assert.notInclude(text, "\x1b");
    assert.equal(text.split("never: ").length - 1, 4);
    assert.deepEqual(
      decisions.slice(1).map(({ message }) => message),
      [null, "the user said no", null, null, "there is no such file"],
    );
  });

  it("decides a search in PATH once, by the first file that is there", function* () {
    let asked = 0;
    const verdicts: ReadonlyArray<readonly [string, Policy, RegExp]> = [
      ["forbidden", () => deny("forbidden"), /^forbidden$/],
      ["late", () => new Promise(() => {}), /no verdict within/],
      ["ask", () => "ask", /^no$/],
      [
        "throw",
        () => {
          throw new Error("oops");
        },
        /oops/,
      ],
    ];
    for (const [name, verdict, message] of verdicts) {
      const directory = yield* tempDirectory;
      for (const part of ["b", "c"]) {
        mkdirSync(join(directory, part));
        writeFileSync(join(directory, part, "x"), "", { mode: 0o755 });
      }
      const script = `PATH=${["a", "b", "c", "d"].map((part) => join(directory, part)).join(":")} /usr/bin/env x; echo $?`;
      const { decisions, denied, out } = yield* guardedScript(
        `${script}; ${script}`,
        (call) => (call.name === "x" ? verdict(call) : "allow"),
        {
          deadline: "50 millis",
          ask: () =>
            Effect.sync(() => {
              asked++;
              return deny("no");
            }),
        },
      );
      const ofX = decisions.filter(({ decision }) => decision === "deny");
      assert.deepEqual([denied, ofX.length, out], [2, 2, "126\n126\n"], name);
      for (const decision of ofX) assert.match(decision.message as string, message);
      if (name !== "throw") assert.equal(ofX[0]?.path, join(directory, "b/x"));
    }
    assert.equal(asked, 2);
    // A program that is not there is not forbidden, and what is allowed in a later directory is found.
    const absent = yield* guardedScript("/usr/bin/env no-such-program; echo $?", ({ name }) =>
      name === "no-such-program" ? deny() : "allow",
    );
    assert.deepEqual([absent.out, absent.denied], ["127\n", 0]);
    const later = yield* guardedScript(
      "PATH=/nowhere:/usr/bin /usr/bin/env echo found",
      ({ path }) => (path.startsWith("/usr/bin/") || path.endsWith("/sh") ? "allow" : deny()),
    );
    assert.equal(later.out, "found\n");
  });

  it("denies without a terminal to ask on", function* () {
    const thread = yield* LocalThread;
    const { decisions } = yield* guardedScript(
      "/bin/echo 1",
      ({ name }) => (name === "echo" ? "ask" : "allow"),
      { ask: askAtTerminal(thread, "/nowhere/tty") },
    );
    assert.match(decisions.at(-1)?.message ?? "", /^there is no terminal to ask on: .*ENOENT/);
  });

  it("denies what cannot be read", function* () {
    const { decisions, out } = yield* guardedScript(
      "/bin/echo one; python3 -c \"import os; os.execv('/bin/echo', ['echo'] + ['y' * 100000] * 12)\" || echo denied",
      () => "allow",
    );
    assert.include(out, "one\n");
    assert.include(out, "denied");
    assert.include(decisions.at(-1)?.message, "its arguments cannot be read: E2BIG");
  });
});

describe("a policy that answers", () => {
  const answering =
    (verdict: Policy) =>
    (script: string, options: object = {}) =>
      guardedScript(script, verdict, { names: ["git", "uname", "id"], ...options });

  it("replies, rewrites, and lets a program run outside, in the order of the calls", function* () {
    const { out, decisions } = yield* answering(({ name, args }) => {
      if (name === "git") return reply({ stdout: `answered ${args}\n`, status: 3 });
      if (name === "uname" && args[0] === "-a") return rewrite({ args: ["-s"] });
      if (name === "id")
        return outside({ program: "sh", args: ["-c", "grep NoNewPrivs /proc/self/status"] });
      return "allow";
    })("git push; echo $?; uname -a; uname -s; id; grep NoNewPrivs /proc/self/status");
    assert.equal(out, "answered push\n3\nLinux\nLinux\nNoNewPrivs:\t0\nNoNewPrivs:\t1\n");
    assert.deepEqual(
      decisions.map(({ decision, path }) => [decision, path.replace(/.*\//, "")]),
      [
        ["allow", "sh"],
        ["reply", "git"],
        ["rewrite", "uname"],
        ["allow", "uname"],
        ["outside", "id"],
        ["allow", "grep"],
      ],
    );
    assert.match(decisions[2]?.path as string, /^\/.*bin\/uname$/);
  });

  it("decides a program once, however it is called, and denies what it cannot answer", function* () {
    const seen: Array<string> = [];
    const { out, decisions } = yield* answering((call) => {
      // execvp(3) tries each directory of PATH.
      if (!call.exec.isRetry) seen.push(call.line);
      return call.name === "uname" ? reply({ stdout: "answered\n" }) : "allow";
    })("uname; /usr/bin/uname; echo $?; id -u; sh -c 'exec sh -c uname'");
    assert.equal(out, "answered\n126\n0\nanswered\n".replace("0", String(process.getuid?.())));
    assert.deepEqual(seen.slice(1), [
      "uname",
      "/usr/bin/uname",
      "id -u",
      "sh -c 'exec sh -c uname'",
      "sh -c uname",
      "uname",
    ]);
    assert.match(
      decisions.find(({ decision }) => decision === "deny")?.message as string,
      /by its path, around the link to uname in PATH; add "\/usr\/bin\/uname" to the names/,
    );
  });

  it("answers by absolute paths: of static callers, after PATH was reset, of what is not there", function* () {
    const here = process.env["PATH"];
    const { out, decisions } = yield* guardedScript(
      "/usr/bin/uname -a; env -i /bin/uname -a; PATH=/usr/bin; uname -s; busybox sh -c '/usr/bin/id -u' 2>&1;" +
        "/usr/sbin/no-such-mailer; echo $?; /usr/bin/expr 1 + 1; readlink /proc/self/ns/mnt",
      ({ name, args }) => {
        if (name === "uname" && args[0] === "-a") return rewrite({ args: ["-s"] });
        if (name === "id") return reply({ stdout: "answered\n" });
        if (name === "expr") return outside({ args: ["2", "+", "3"] });
        return name === "no-such-mailer" ? reply({ status: 75 }) : "allow";
      },
      { names: ["/usr/bin/uname", "/usr/bin/id", "/usr/bin/expr", "/usr/sbin/no-such-mailer"] },
    );
    const lines = out.trimEnd().split("\n");
    assert.notEqual(lines.pop(), readlinkSync("/proc/self/ns/mnt"));
    assert.deepEqual(lines, ["Linux", "Linux", "Linux", "answered", "75", "5"]);
    assert.equal(process.env["PATH"], here);
    assert.deepEqual(
      decisions
        .filter(({ decision }) => decision !== "allow")
        .map(({ decision, path }) => [decision, path]),
      [
        ["rewrite", "/usr/bin/uname"],
        ["rewrite", "/bin/uname"],
        ["reply", "/usr/bin/id"],
        ["reply", "/usr/sbin/no-such-mailer"],
        ["outside", "/usr/bin/expr"],
      ],
    );
    assert.isFalse(existsSync("/usr/sbin/no-such-mailer"));
  });

  it("denies a path where the system refuses namespaces, and says so", function* () {
    const directory = yield* tempDirectory;
    const policy = join(directory, "policy.mjs");
    writeFileSync(
      policy,
      `import { reply } from "@rsyscall/watch";
export const names = ["/usr/bin/uname"];
export default ({ name }) => (name === "uname" ? reply({}) : "allow");
`,
    );
    const script = `
      import { LocalThread } from "@rsyscall/thread";
      import { guard } from "@rsyscall/watch";
      import { Effect } from "effect";
      const run = Effect.flatMap(LocalThread, (thread) =>
        guard(thread, { command: ["sh", "-c", "/usr/bin/uname"], policy: ${JSON.stringify(policy)} }));
      console.log((await Effect.runPromise(Effect.provide(run, LocalThread.layer))).status);`;
    const { stdout, stderr } = spawnSync(
      "unshare",
      [
        "-Ur",
        "sh",
        "-c",
        'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-sys_admin --inh-caps=-all "$@"',
        "sh",
        process.execPath,
        "--input-type=module",
        "-e",
        script,
      ],
      { cwd: new URL("..", import.meta.url), encoding: "utf8" },
    );
    assert.equal(stdout, "126\n", stderr);
    assert.match(
      stderr,
      /denied \/usr\/bin\/uname \(pid \d+\): it cannot be answered: \/usr\/bin\/uname: .*refuses to make one: .*user\.max_user_namespaces is 0/,
    );
  });

  it("says that a name is missing, and asks for a link as for all else", function* () {
    const missing = yield* guardedScript("git push; echo $?", ({ name }) =>
      name === "git" ? reply({}) : "allow",
    );
    assert.match(missing.decisions.at(-1)?.message as string, /add "git" to the names/);
    const asked = yield* answering(({ name }) => (name === "uname" ? ask("really") : "allow"))(
      "uname -s; uname -m; echo $?",
      {
        ask: ({ args }: { args: ReadonlyArray<string> }) =>
          Effect.succeed(args[0] === "-s" ? allow : deny("no")),
      },
    );
    assert.equal(asked.out, "Linux\n126\n");
  });

  it("may be a file that exports names", function* () {
    const directory = yield* tempDirectory;
    const path = join(directory, "policy.ts");
    writeFileSync(
      path,
      `import { type Policy, reply } from "@rsyscall/watch";
export const names = ["git"];
const policy: Policy = ({ name }) => (name === "git" ? reply({ stdout: "from a file" }) : "allow");
export default policy;
`,
    );
    assert.equal((yield* guardedScript("git push", path)).out, "from a file");
    const wrong = join(directory, "wrong.ts");
    writeFileSync(wrong, 'export const names = ["a/b"]; export default () => "allow";');
    const error = yield* Effect.flip(loadPolicy(wrong));
    assert.match(error.message, /must export names or absolute paths of programs/);
  });
});
