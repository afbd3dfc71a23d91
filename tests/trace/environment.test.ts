import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { execute, it, tempDirectory } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const path = fileURLToPath(new URL("program.mjs", import.meta.url));

const run = (trace: string | undefined, how = "") =>
  execute(process.execPath, [path, how], { env: { ...process.env, RSYSCALL_TRACE: trace } });

const TIME = String.raw`\d\d:\d\d:\d\d\.\d{6}`;
const LINE = new RegExp(String.raw`^\d+ ${TIME} .* = .*( <\d+\.\d{6}( behind \d+)?>)?$`);

describe("RSYSCALL_TRACE", () => {
  it("is off if it is not set, empty or 0", function* () {
    for (const trace of [undefined, "", "0"]) {
      const { stderr, stdout } = yield* run(trace);
      assert.equal(String(stderr), "");
      assert.equal(String(stdout), "done\n");
    }
  });

  it("writes lines to standard error if it is 1: of this process and its children", function* () {
    const { stderr, status } = yield* run("1");
    assert.equal(status, 0);
    const lines = String(stderr).trimEnd().split("\n");
    for (const line of lines) assert.match(line, LINE);
    const [here, there] = ["/", "/proc"].map((path) =>
      lines.find((line) => line.includes(`chdir("${path}") = 0 <`)),
    );
    const [pid, child] = [here, there].map((line) => Number.parseInt(line ?? "", 10));
    assert.isNumber(pid);
    assert.notEqual(pid, child);
  });

  for (const [how, status] of [
    ["", 0],
    ["exit", 3],
    ["exit_group", 4],
    ["throw", 1],
  ] as const)
    it(`loses nothing in a file at the end: ${how || "of its own"}`, function* () {
      const file = `${yield* tempDirectory}/trace`;
      assert.equal((yield* run(file, how)).status, status);
      const text = readFileSync(file, "utf8");
      assert.include(text, 'chdir("/proc") = 0');
      assert.match(text, /\n$/);
      if (how === "exit_group") assert.match(text, /exit_group\(4\) = \?\n$/);
    });

  it("says once that a file cannot be opened, and the program goes on", function* () {
    const { stderr, stdout, status } = yield* run("/nowhere/trace\x1b");
    assert.equal(status, 0);
    assert.equal(String(stdout), "done\n");
    const warnings = String(stderr)
      .split("\n")
      .filter((line) => line.includes("TraceWarning"));
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0] ?? "",
      /RSYSCALL_TRACE=\/nowhere\/trace\\x1b cannot be written, so nothing is traced: ENOENT/,
    );
  });

  it("does not wait for a pipe that is not read, but for a second at the end", function* () {
    const started = performance.now();
    const child = spawn(process.execPath, [path], {
      env: { ...process.env, RSYSCALL_TRACE: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stderr.pause();
    const status = yield* Effect.promise(() => new Promise((resolve) => child.on("exit", resolve)));
    assert.equal(status, 0);
    assert.isBelow(performance.now() - started, 20_000);
    child.stderr.destroy();
    child.stdout.destroy();
  });
});
