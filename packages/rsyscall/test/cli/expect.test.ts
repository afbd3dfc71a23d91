import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BIN, directoryOf, rsyscall } from "./commandLine.ts";

/** A log of calls, as a run has written it. */
const logOf = (...calls: ReadonlyArray<ReadonlyArray<string>>): string => {
  const lines = calls.map((argv, call) =>
    JSON.stringify({
      rsyscall: 1,
      event: "call",
      call,
      time: "2026-11-30T00:00:00.000Z",
      program: argv[0],
      path: `/m/bin/${argv[0]}`,
      argv,
      pid: 1,
      ppid: 1,
      outcome: "pending",
    }),
  );
  return join(directoryOf({ "calls.jsonl": `${lines.join("\n")}\n` }), "calls.jsonl");
};

describe("rsyscall expect", () => {
  test.each([
    [["git push"], 0],
    [["git"], 0],
    [["git push", "--times", "1"], 0],
    [["git", "--times", "2"], 0],
    [["git", "--at-least", "2"], 0],
    [["git", "--at-least", "3"], 1],
    [["ssh"], 1],
    [["ssh", "--never"], 0],
    [["ssh", "--times", "0"], 0],
    [["git", "--never"], 1],
    [["git push $"], 1],
    [["* "], 0],
  ])("%j", (args, status) => {
    const log = logOf(["git", "push", "a b"], ["git", "pull"], ["sendmail", "-t"]);
    expect(rsyscall(["expect", log, ...args]).status).toBe(status);
  });

  test("a call that is missing, as a diff", () => {
    const log = logOf(["git", "push", "a b"], ["sendmail", "-t"], ["sendmail", "-bs"]);
    expect(rsyscall(["expect", log, "sendmail -t *", "--times", "2"])).toEqual({
      status: 1,
      stdout: "",
      stderr: `rsyscall expect: sendmail -t * was called once, and must be called 2 times
- expected, + came:
  sendmail -t
- sendmail -t *
+ sendmail -bs
  git push 'a b'
`,
    });
  });

  test("a call too many, as a diff", () => {
    const log = logOf(["git", "push"], ["git", "push", "-f"], ["git", "pull"]);
    expect(rsyscall(["expect", log, "git push", "--times", "1"]).stderr).toBe(
      `rsyscall expect: git push was called 2 times, and must be called once
- expected, + came:
  git push
+ git push -f
  git pull
`,
    );
  });

  test("no call at all", () => {
    const log = join(directoryOf({ "calls.jsonl": "" }), "calls.jsonl");
    expect(rsyscall(["expect", log, "git"]).stderr).toBe(
      "rsyscall expect: git was not called, and must be called once or more\nthere were no calls\n- git\n",
    );
  });

  test("a file that is no log, and a line that is being written", () => {
    const directory = directoryOf({ text: "hello\nworld\n", other: '{"rsyscall":9}\n' });
    expect(rsyscall(["expect", join(directory, "text"), "git"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("text:1: this is no line of JSON: it is no log of calls"),
    });
    expect(rsyscall(["expect", join(directory, "other"), "git"]).stderr).toContain(
      "this is no log of calls of version 1",
    );
    const half = join(directoryOf({ log: '{"rsyscall":1,"event":"ca' }), "log");
    expect(rsyscall(["expect", half, "git", "--never"]).status).toBe(0);
  });

  test("inside of the command that is mocked", () => {
    const log = join(directoryOf(), "calls.jsonl");
    const script = `git push origin && node '${BIN}' expect '${log}' 'git push origin $' --times 1 && ! node '${BIN}' expect '${log}' 'git pull'`;
    expect(
      rsyscall(["mock", "--on", "git push", "--log", log, "--", "sh", "-c", script]),
    ).toMatchObject({ status: 0, stderr: expect.stringContaining("git pull was not called") });
  });
});
