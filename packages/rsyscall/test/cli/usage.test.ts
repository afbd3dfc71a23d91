import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { BIN, env, rsyscall } from "./commandLine.ts";

describe("help", () => {
  test("each command has help with examples", () => {
    for (const command of ["mock", "expect", "decompile", "fleet"]) {
      const { status, stdout, stderr } = rsyscall([command, "--help"]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toContain("DESCRIPTION");
      expect(stdout).toMatch(new RegExp(`EXAMPLES\\n[^]*rsyscall ${command} `));
    }
  });

  test("the version is that of the package", () => {
    expect(rsyscall(["--version"])).toEqual({ status: 0, stdout: "rsyscall v0.1.0\n", stderr: "" });
  });

  test("the command alone shows its help", () => {
    const { status, stdout } = rsyscall([]);
    expect(status).toBe(0);
    expect(stdout).toContain("SUBCOMMANDS");
  });

  test.each(["bash", "zsh", "fish"])("completions for %s", (shell) => {
    const { status, stdout } = rsyscall(["--completions", shell]);
    expect(status).toBe(0);
    expect(stdout).toContain("decompile");
    // What bash says of it, where it is bash.
    if (shell === "bash")
      expect(spawnSync("bash", ["-n"], { input: stdout, encoding: "utf8" })).toMatchObject({
        status: 0,
        stderr: "",
      });
  });

  test("colours are for terminals, and as NO_COLOR and FORCE_COLOR say", () => {
    const colour = "\u001b[";
    expect(rsyscall(["--help"]).stdout).not.toContain(colour);
    expect(rsyscall(["--help"], { env: env({ FORCE_COLOR: "1" }) }).stdout).toContain(colour);
    expect(
      rsyscall(["--help"], { env: env({ FORCE_COLOR: "1", NO_COLOR: "1" }) }).stdout,
    ).not.toContain(colour);
  });
});

describe("wrong usage is status 2, and says what was meant", () => {
  test.each([
    [["moc"], /^rsyscall: Unknown subcommand "moc".*Did you mean this\?\s+mock\n/s],
    [["mock", "--hermetc", "--", "true"], /Unrecognized flag: --hermetc.*--hermetic\n/s],
    [["mock"], /Missing required argument: command/],
    [
      ["mock", "--on", "git *=pas", "--", "true"],
      /^rsyscall: --on 'git \*=pas': pas is no reply: did you mean pass\? Quote the = if/,
    ],
    [
      ["mock", "--on", "git push:statsu=1", "--", "true"],
      /^rsyscall: --on 'git push:statsu=1': statsu is no option of a reply: did you mean status\?/,
    ],
    [
      ["mock", "--handler", "git", "--", "true"],
      /^rsyscall: --handler git: it must be PATTERN=COMMAND, as 'git push=python3 fake_git\.py'\n/,
    ],
    [
      ["mock", "--allow", "sh", "--", "true"],
      /^rsyscall: --allow is for --hermetic and --everything: /,
    ],
    [
      ["mock", "--deny-around-path", "--", "true"],
      /^rsyscall: --deny-around-path is for --hermetic: give both\n/,
    ],
    [
      ["mock", "--hermetic", "--everything", "--", "true"],
      /^rsyscall: --hermetic and --everything exclude each other: give one of them\n/,
    ],
    [
      ["mock", "--report", "xml:a", "--", "true"],
      /^rsyscall: --report: "xml:a" must be json:FILE or junit:FILE, as junit:mocks\.xml; - is stdout\n/,
    ],
    [["mock", "--spec", "none.ts", "--", "true"], /^rsyscall: --spec: there is no file none\.ts\n/],
    [["mock", "--spec", "/tmp", "--", "true"], /^rsyscall: --spec: there is no file \/tmp\n/],
    [
      ["mock", "--replay", "none.json", "--", "true"],
      /^rsyscall: --replay: there is no file none\.json: record it with --record none\.json\n/,
    ],
    [["mock", "--hermetic", "--allow", "none", "--", "true"], /: none is not in PATH/],
    [
      ["mock", "--log", "/nowhere/log", "--", "true"],
      /^rsyscall: mock: the log cannot be written: ENOENT/,
    ],
    [
      ["mock", "--report", "json:/nowhere/a", "--", "echo", "ran"],
      /^rsyscall: --report: \/nowhere\/a cannot be written: ENOENT/,
    ],
    [
      ["decompile", "--out", "/nowhere/a", "/dev/null"],
      /^rsyscall: --out: \/nowhere\/a cannot be written: ENOENT/,
    ],
    [
      ["mock", "--handler-limit", "x", "--", "true"],
      /--handler-limit.*must be a whole number from 0 on\n/,
    ],
    [
      ["expect", "/dev/null", "git", "--times", "2.5"],
      /--times.*must be a whole number from 0 on\n/,
    ],
    [
      ["expect", "/nowhere.jsonl", "git"],
      /^rsyscall: the log cannot be read: ENOENT.*: is it the file of rsyscall mock --log\?\n/,
    ],
    [
      ["expect", "/dev/null", "git", "--times", "1", "--never"],
      /^rsyscall: --times, --at-least and --never exclude each other: give one of them\n/,
    ],
    [["expect", "/dev/null", "git *=pass"], /^rsyscall: 'git \*=pass': =pass is a reply/],
    [["decompile", "/nowhere.sh"], /^rsyscall: there is no script \/nowhere\.sh\n/],
  ])("%j", (args, message) => {
    const { status, stdout, stderr } = rsyscall(args);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });
});

describe("what the system refuses is a line", () => {
  test("TMPDIR that is not there", () => {
    const { status, stderr } = rsyscall(["mock", "--", "true"], {
      env: env({ TMPDIR: "/nowhere" }),
    });
    expect({ status, stderr }).toEqual({
      status: expect.any(Number),
      stderr: expect.stringMatching(/^rsyscall: [^\n]*\/nowhere[^\n]*\n$/),
    });
    expect(status).not.toBe(0);
  });

  test("stdout that is full", () => {
    const { status, stderr } = spawnSync(
      "sh",
      [
        "-c",
        'exec "$@" >/dev/full',
        "sh",
        process.execPath,
        BIN,
        "mock",
        "--report",
        "json:-",
        "--",
        "true",
      ],
      { env: env(), encoding: "utf8" },
    );
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "rsyscall: stdout cannot be written: ENOSPC: no space left on device, write\n",
    });
  });
});
