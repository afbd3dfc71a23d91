import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { execute, it, missing, start, tempDirectory } from "./harness/index.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const example = `${root}/examples/dist/sendmail.js`;
const bench = `${root}/bench/dist/main.js`;

/** The example, with its temporary files where they can be seen. */
const run = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const ended = yield* execute(process.execPath, [example, ...args], {
      env: { ...process.env, TMPDIR: directory },
    });
    assert.deepEqual(readdirSync(directory), [], "what it left behind");
    return {
      status: ended.status,
      stdout: ended.stdout.toString(),
      stderr: ended.stderr.toString(),
    };
  });

describe("npm start", () => {
  it.skipIf(missing("git"))("mails for a script, and writes git's message", function* () {
    const { status, stdout } = yield* run();
    assert.equal(status, 0);
    assert.include(stdout, 'argv     ["sendmail","-t","-i"]');
    assert.match(stdout, /pid {6}\d+, started by sh \(pid \d+\)/);
    assert.include(stdout, "cwd ");
    assert.include(stdout, "Subject: backup finished");
    assert.include(stdout, "All files were copied.");
    assert.include(stdout, "sendmail's exit status was 0");
    assert.match(stdout, /\[.* \(root-commit\) .*\] Written by a TypeScript callback/);
  });

  it("runs a command with sendmail mocked, and ends as it does", function* () {
    const script = "echo to nobody | sendmail nobody; exit 9";
    const { status, stdout } = yield* run("sh", "-c", script);
    assert.equal(status, 9);
    assert.include(stdout, 'argv     ["sendmail","nobody"]');
    assert.include(stdout, "message  to nobody");
    assert.equal((yield* run("sh", "-c", "kill -TERM $$")).status, 143);
  });

  it("says what is wrong with its arguments", function* () {
    const unknown = yield* run("no-such-command");
    assert.deepEqual(
      [unknown.status, unknown.stderr],
      [127, "no-such-command: command not found\n"],
    );
    const option = yield* run("--no-such-option");
    assert.equal(option.status, 64);
    assert.include(option.stderr, "Unknown option --no-such-option\nUsage:");
    const help = yield* run("--help");
    assert.equal(help.status, 0);
    assert.include(help.stdout, "Usage: npm start");
  });

  it("gives everything back when it is interrupted", function* () {
    const directory = yield* tempDirectory;
    const temporary = `${directory}/temporary`;
    mkdirSync(temporary);
    const running = yield* start(
      process.execPath,
      [example, "sh", "-c", "sleep 100 | sendmail x"],
      { env: { ...process.env, TMPDIR: temporary }, detached: true },
    );
    // The stub is there, and waits for its stdin.
    yield* Effect.promise(async () => {
      while (!stubIsWaiting(temporary)) await new Promise((resolve) => setImmediate(resolve));
    });
    // As a terminal does it: to the whole process group.
    process.kill(-running.pid, "SIGINT");
    const { status } = yield* running.ended;
    assert.equal(status, 130);
    assert.deepEqual(readdirSync(temporary), []);
  });
});

/** Whether a stub of a run with this directory for temporary files is there. */
const stubIsWaiting = (directory: string): boolean =>
  readdirSync("/proc").some((pid) => {
    try {
      return (
        readFileSync(`/proc/${pid}/environ`, "utf8").includes(`TMPDIR=${directory}\0`) &&
        readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sendmail\0x\0")
      );
    } catch {
      return false;
    }
  });

describe("the bench", () => {
  it("explains itself, and refuses what it does not know", function* () {
    const help = yield* execute(process.execPath, [bench, "--help"]);
    assert.equal(help.status, 0);
    assert.include(help.stdout.toString(), "--json");
    const unknown = yield* execute(process.execPath, [bench, "--fast"]);
    assert.equal(unknown.status, 64);
    assert.include(unknown.stderr.toString(), "--fast");
  });
});
