import { spawnSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { programOf } from "../../src/cli/decompile/programOf.ts";
import type { SeenCall, SeenFd } from "../../src/cli/decompile/SeenCall.ts";
import { directoryOf, env, PACKAGE, rsyscall } from "./commandLine.ts";

const SCRIPT = `#!/bin/sh
mkdir out
printf 'b\\na\\nb\\n' > out/in    # a builtin
sort < out/in | uniq -c | tr -s ' ' > out/counts
LC_ALL=C ls out >> out/list 2>&1
cd out
seq 2 > two
sh -c 'cat two; echo no >&2' > both 2> errors
name=$(basename /a/b.txt .txt)
touch "$name file"
sh -c 'expr 1 + 1' > sum
env nice sh -c 'expr 2 + 2' > sum
`;

describe("rsyscall decompile", () => {
  test("a program that does the same, is type-checked, and runs", () => {
    const directory = directoryOf({ "work.sh": SCRIPT });
    const { status, stdout, stderr } = rsyscall(["decompile", "work.sh"], { cwd: directory });
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: "rsyscall decompile: work.sh really runs now, and each program that it calls\n",
    });
    for (const line of [
      "  // sort | uniq -c | tr -s ' '",
      '.args("-c")',
      'thread.open("out/list", O.WRONLY | O.CREAT | O.APPEND, 0o666)',
      '.env({ "LC_ALL": "C" })',
      'cwd: "out"',
      '(yield* thread.which("touch")).args("b file")',
      "// NOT KNOWN: the shell has read its stdout ($(...), or a loop)",
    ])
      expect(stdout).toContain(line);
    // What a program of the script calls is that program's affair.
    expect(stdout).not.toContain('which("expr")');
    expect(stdout).not.toContain('which("nice")');
    expect(stdout.split('which("sh")')).toHaveLength(3);
    expect(stdout).not.toContain('which("printf")');

    const copy = directoryOf({ "work.ts": stdout });
    symlinkSync(join(PACKAGE, "../../node_modules"), join(copy, "node_modules"));
    writeFileSync(
      join(copy, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          noUnusedLocals: true,
          noEmit: true,
          module: "preserve",
          moduleResolution: "bundler",
          target: "es2023",
          skipLibCheck: true,
          types: [],
        },
        files: ["work.ts"],
      }),
    );
    expect(typeErrors(copy)).toBe("");

    // The script's directories, without what only a builtin has made.
    spawnSync("sh", ["-c", "mkdir -p out; printf 'b\\na\\nb\\n' > out/in"], { cwd: copy });
    writeFileSync(join(copy, "work.ts"), stdout.replace(/^.*thread\.which\("mkdir"\).*$/m, ""));
    const ran = runTypeScript(copy);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toBe("b\n");
    for (const file of ["counts", "two", "both", "errors", "b file", "sum"])
      expect(readFileSync(join(copy, "out", file), "utf8")).toBe(
        readFileSync(join(directory, "out", file), "utf8"),
      );
    expect(readFileSync(join(copy, "out/counts"), "utf8")).toBe(" 1 a\n 2 b\n");
  }, 60_000);

  test("arguments, a file for the program, and the status of the script", () => {
    const directory = directoryOf({ "s.sh": 'uname "$@"; exit 3' });
    const { status, stdout } = rsyscall(["decompile", "-o", "s.ts", "s.sh", "--", "-s"], {
      cwd: directory,
    });
    expect({ status, stdout }).toEqual({ status: 3, stdout: "Linux\n" });
    const program = readFileSync(join(directory, "s.ts"), "utf8");
    expect(program).toContain("// The script has really run, and its exit status was 3.");
    expect(program).toContain('yield* thread.run((yield* thread.which("uname")).args("-s"));');
  });

  test("a script that calls nothing", () => {
    const directory = directoryOf({ "s.sh": "true; :" });
    expect(rsyscall(["decompile", "s.sh"], { cwd: directory }).stdout).toContain(
      "// It has called no program by its name.",
    );
  });
});

describe("the program of what was seen", () => {
  const fd = (link: string, flags = 0, position = 0, text?: string): SeenFd => ({
    link,
    flags,
    position,
    text,
  });
  const own = [fd("/dev/pts/1"), fd("/dev/pts/1"), fd("/dev/pts/1")] as const;
  const programWith = (...calls: ReadonlyArray<Partial<SeenCall>>) =>
    programOf({
      name: "s.sh",
      argv: ["s.sh"],
      cwd: "/work",
      fds: own,
      status: 0,
      calls: calls.map((call) => ({
        program: "x",
        argv: ["x"],
        cwd: "/work",
        env: {},
        fds: own,
        pid: 1,
        running: [],
        ...call,
      })),
    });

  test.each([
    [
      "a here-document",
      [fd("/tmp/sh (deleted)", 0, 0, "a\nb\n"), own[1], own[2]],
      'writeAllText("a\\nb\\n")',
    ],
    [
      "a pipe of the shell",
      [fd("pipe:[9]"), own[1], own[2]],
      "NOT KNOWN: its stdin was a pipe from the shell",
    ],
    [
      "both in one file",
      [own[0], fd("/work/log", 1), fd("/work/log", 1)],
      "{ stdout: file1, stderr: file1 }",
    ],
    [
      "a file that others had before",
      [own[0], fd("/var/log/a", 1, 7), own[2]],
      'thread.open("/var/log/a", O.WRONLY | O.CREAT | O.APPEND, 0o666)',
    ],
    [
      "/dev/null",
      [fd("/dev/null"), fd("/dev/null", 1), own[2]],
      'thread.open("/dev/null", O.WRONLY)',
    ],
    [
      "a socket",
      [fd("socket:[3]"), own[1], own[2]],
      "NOT KNOWN: its stdin was socket:[3]; it is ours here",
    ],
    ["closed", [undefined, own[1], own[2]], "its stdin was closed, which is not done here"],
  ] as const)("%s", (_, fds, text) => {
    expect(programWith({ fds })).toContain(text);
  });

  test("what runs beside others, and what was removed from the environment", () => {
    const program = programWith(
      { argv: ["x", "1\n2"] },
      { program: "y", argv: ["why"], running: [0], env: { A: undefined } },
    );
    expect(program).toContain("// while these were still running, as by & or in a subshell: x");
    expect(program).toContain('(yield* thread.which("y")).argv0("why").env({ "A": undefined })');
    expect(program).toContain("// x $'1\\n2'");
  });
});

const TSC = join(PACKAGE, "../../node_modules/typescript/bin/tsc");

const typeErrors = (directory: string): string =>
  spawnSync(process.execPath, [TSC, "-p", directory], { encoding: "utf8" }).stdout;

/** Node 20 has no types: they are taken away first. */
const runTypeScript = (directory: string) => {
  spawnSync(
    process.execPath,
    [
      TSC,
      "-p",
      directory,
      "--noEmit",
      "false",
      "--outDir",
      directory,
      "--module",
      "esnext",
      "--noCheck",
    ],
    { encoding: "utf8" },
  );
  writeFileSync(join(directory, "package.json"), '{"type":"module"}');
  const { status, stdout, stderr } = spawnSync(process.execPath, ["work.js"], {
    cwd: directory,
    encoding: "utf8",
    env: env(),
  });
  return { status, stdout, stderr };
};
