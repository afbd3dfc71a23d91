import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { atTerminal, BIN, directoryOf, env, rsyscall } from "./commandLine.ts";

const POLICY = `
import { ask, deny, type Policy, reply } from "@rsyscall/watch";
export const names = ["git", "/usr/sbin/no-such-mailer"];
const policy: Policy = ({ name }) =>
  name === "uname" ? deny("no names") : name === "id" ? ask("who it is")
    : name === "git" || name === "no-such-mailer" ? reply({ stdout: name + " answered\\n", status: 3 }) : "allow";
export default policy;
`;

const linesOf = (path: string): ReadonlyArray<Record<string, unknown>> =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Processes whose command line has a text. */
const running = (text: string): ReadonlyArray<string> =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });

describe("rsyscall watch", () => {
  test("shows the tree, has the status of the command, and leaves its output alone", () => {
    const { status, stdout, stderr } = rsyscall([
      "watch",
      "--",
      "sh",
      "-c",
      "/bin/uname -s; env -i /bin/true; exit 5",
    ]);
    expect({ status, stdout }).toEqual({ status: 5, stdout: "Linux\n" });
    expect(stderr).toMatch(
      /^sh -c '.*' {2}\(\d+, .* exit 5\)\n├─ \/bin\/uname -s {2}\(.*\)\n└─ env -i \/bin\/true → \/bin\/true {2}\(.*\)\n$/,
    );
    expect(rsyscall(["watch", "--", "sh", "-c", "kill -TERM $$"]).status).toBe(143);
  });

  test("writes text, JSON and a page, and prints nothing then", () => {
    const directory = directoryOf();
    const file = (name: string) => join(directory, name);
    const { status, stderr } = rsyscall([
      "watch",
      ...["--text", file("text"), "--json", file("json"), "--html", file("html")],
      ...["--", "sh", "-c", "/bin/uname >/dev/null"],
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(readFileSync(file("text"), "utf8")).toContain("└─ /bin/uname");
    const { format, processes } = JSON.parse(readFileSync(file("json"), "utf8"));
    expect(format).toBe("rsyscall-watch");
    expect(processes[1]).toMatchObject({ parent: 0, execs: [{ argv: ["/bin/uname"] }] });
    expect(readFileSync(file("html"), "utf8")).toMatch(/^<!doctype html>.*\/bin\/uname/is);
  });

  test.each([
    [["watch", "--json", "/nowhere/a", "--", "true"], 2, /^rsyscall: .*\/nowhere\/a.*ENOENT/],
    [["watch", "--", "no-such-command"], 127, /^rsyscall: .*no-such-command/],
    [["watch", "--", "/etc"], 126, /^rsyscall: .*\/etc/],
  ])("%j", (args, status, message) => {
    const ended = rsyscall(args);
    expect(ended.stderr).toMatch(message);
    expect(ended.status).toBe(status);
  });
});

describe("rsyscall guard", () => {
  const policyFile = (text = POLICY) => join(directoryOf({ "policy.ts": text }), "policy.ts");
  const guard = (policy: string, script: string, more: ReadonlyArray<string> = []) =>
    rsyscall(["guard", "--policy", policy, ...more, "--", "sh", "-c", script]);

  test("denies and answers by a policy in TypeScript, and logs it", () => {
    const log = join(directoryOf(), "log");
    const { status, stdout, stderr } = guard(
      policyFile(),
      "git push; /usr/sbin/no-such-mailer; env -i /bin/uname; exit $?",
      ["--log", log],
    );
    expect({ status, stdout }).toEqual({
      status: 126,
      stdout: "git answered\nno-such-mailer answered\n",
    });
    expect(stderr).toMatch(/rsyscall guard: denied \/bin\/uname \(pid \d+\): no names\n/);
    const decisions = linesOf(log).map(({ decision }) => decision);
    expect(decisions).toEqual(["allow", "reply", "reply", "allow", "deny"]);
  });

  test.each([
    [`export default 1;`, /must have a function as its default export/],
    [`export default (`, /cannot be loaded: /],
    [`export const names = ["bin/git"]; export default () => "allow";`, /must export names or/],
  ])("a wrong policy: %s", (text, message) => {
    const { status, stdout, stderr } = guard(policyFile(text), "echo ran");
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ +at /m);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });

  test("no policy, and none at the path", () => {
    expect(rsyscall(["guard", "--", "true"])).toMatchObject({ status: 2, stdout: "" });
    const { status, stderr } = guard("/nowhere/policy.ts", "echo ran");
    expect(stderr).toMatch(/^rsyscall: .*\/nowhere\/policy\.ts: there is no such file\n$/);
    expect(status).toBe(2);
    expect(guard(policyFile(), "echo ran", ["--log", "/nowhere/log"]).status).toBe(2);
  });

  test("asks at a terminal, and says no without one", () => {
    const policy = policyFile();
    const command = [process.execPath, BIN, "guard", "--policy", policy, "--"];
    const { screen, status, left } = atTerminal(
      [...command, "sh", "-c", "/usr/bin/id -u; /usr/bin/id -u; exit $?"],
      [
        ["never: ", "yes\n"],
        ["never: ", "no\n"],
      ],
    );
    expect({ status, left }).toEqual({ status: 126, left: [] });
    expect(screen).toMatch(
      new RegExp(
        `^who it is\\nrsyscall guard: /usr/bin/id -u \\(pid .*\\nallow\\? .*: yes\\n${process.getuid?.()}\\nwho it is`,
      ),
    );
    expect(screen).toMatch(/denied .*: the user said no/);
    // Ctrl-C is a no, and goes to the command as without the guard.
    const ended = atTerminal(
      [...command, "sh", "-c", "/usr/bin/id -u; echo went on"],
      [["never: ", "\x03"]],
    );
    expect(ended).toMatchObject({ status: 130, left: [] });
    expect(ended.screen).not.toMatch(/^went on$/m);
    // A session of its own has no terminal.
    const alone = rsyscall(["guard", "--policy", policy, "--", "setsid", "-w", "true"]);
    expect(alone.status).toBe(0);
    const { stderr, status: without } = guard(policy, "/usr/bin/id -u; exit $?");
    expect(stderr).toMatch(/there is no terminal to ask on|the user said no/);
    expect(without).toBe(126);
  });
});

describe("Ctrl-C", () => {
  test.each([
    ["watch", []],
    ["guard", ["--policy", "policy.mjs"]],
    ["mock", ["--hermetic", "--allow", "sleep,tail"]],
  ])("%s: SIGINT to the process group leaves nothing behind", async (command, options) => {
    const tmp = directoryOf({ "policy.mjs": 'export default () => "allow";' });
    const marker = `31.${process.pid}${Date.now() % 1000}`;
    const child = spawn(
      process.execPath,
      // When tail has written, it has the signal too. A dash that gets it just before it forks would wait for its child.
      [BIN, command, ...options, "--", "sh", "-c", `sleep ${marker} & tail -f policy.mjs`],
      { cwd: tmp, env: env({ TMPDIR: tmp }), stdio: ["ignore", "pipe", "ignore"], detached: true },
    );
    await once(child.stdout, "data");
    process.kill(-(child.pid as number), "SIGINT");
    const closed = once(child, "close");
    // A shell's background job ignores SIGINT, and watch and guard wait for it until the third. mock ends at the first.
    // Node handles no signals any more while it exits: so further ones, in place of some that the kernel has merged, are
    // sent after a time in which it has exited.
    let sent = 1;
    const again = (): NodeJS.Timeout =>
      setTimeout(
        () => {
          process.kill(-(child.pid as number), "SIGINT");
          sent += 1;
          timer = again();
        },
        sent < 3 ? 150 : 3000,
      );
    let timer = command === "mock" ? undefined : again();
    child.on("exit", () => clearTimeout(timer));
    const [status] = await closed;
    expect(status).toBe(130);
    expect(running(marker)).toEqual([]);
    expect(readdirSync(tmp)).toEqual(["policy.mjs"]);
  });

  test("SIGKILL of a guard ends the command", async () => {
    const tmp = directoryOf({ "policy.mjs": 'export default () => "allow";' });
    const child = spawn(
      process.execPath,
      [
        BIN,
        "guard",
        "--contain",
        "--policy",
        "policy.mjs",
        "--",
        "sh",
        "-c",
        "echo $$; sleep 30.7",
      ],
      { cwd: tmp, env: env({ TMPDIR: tmp }), stdio: ["ignore", "pipe", "ignore"] },
    );
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "close");
    for (let i = 0; i < 100 && running("sleep\x0030.7").length > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(running("sleep\x0030.7")).toEqual([]);
    expect(existsSync(join(tmp, "policy.mjs"))).toBe(true);
  });
});
