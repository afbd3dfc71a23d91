import { chmodSync, copyFileSync, readdirSync } from "node:fs";
import { type CommandLine, command, Host } from "@rsyscall/fleet";
import {
  childrenOf,
  eventually,
  hasEnded,
  it,
  notRoot,
  tempDirectory,
  textOf,
} from "@rsyscall/harness";
import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";

/** A Thread that only a stream leads to, as to another host. */
const far = Effect.flatMap(LocalThread, (local) =>
  Effect.map(
    CommandTask.make(local, (...words) => Command.make("/usr/bin/env", ...words)),
    ({ thread }) => thread,
  ),
);

const runOn = (thread: Thread, line: CommandLine) =>
  command
    .execute(line)
    .pipe(Effect.scoped, Effect.provideService(Host, { name: "far", thread })) as ReturnType<
    typeof command.execute
  > as Effect.Effect<
    {
      stdout: Uint8Array;
      stderr: Uint8Array;
      stdoutCut: number;
      stderrCut: number;
      outputOpen?: boolean;
    },
    {
      _tag: string;
      message: string;
      status?: number;
      signal?: string;
      stdout: Uint8Array;
      stdoutCut: number;
      outputOpen?: boolean;
    }
  >;

const sh = (script: string): CommandLine => ({ words: ["sh", "-c", script] });

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("a command on a host", () => {
  it("gives what it has written, and has no input", function* () {
    const thread = yield* far;
    const done = yield* runOn(thread, sh("cat; echo out; echo err >&2; echo again > /dev/stderr"));
    assert.deepEqual(
      { ...done, stdout: text(done.stdout), stderr: text(done.stderr) },
      { stdout: "out\n", stderr: "err\nagain\n", stdoutCut: 0, stderrCut: 0 },
    );
    const nothing = yield* runOn(thread, { words: ["true"] });
    assert.equal(nothing.stdout.length + nothing.stderr.length, 0);
  });

  it("fails with its status or its signal, and what it has written", function* () {
    const thread = yield* far;
    const failed = yield* Effect.flip(runOn(thread, sh("echo half; exit 3")));
    assert.equal(failed._tag, "CommandError");
    assert.deepEqual([failed.status, failed.message], [3, "exited with status 3"]);
    assert.equal(text(failed.stdout), "half\n");
    const killed = yield* Effect.flip(runOn(thread, sh("kill -TERM $$")));
    assert.deepEqual([killed.signal, killed.message], ["SIGTERM", "was killed by SIGTERM"]);
  });

  it("that is not there has the statuses of a shell", function* () {
    const thread = yield* far;
    const missing = yield* Effect.flip(runOn(thread, { words: ["no-such-program"] }));
    assert.equal(missing.status, 127);
    assert.match(missing.message, /^no-such-program: not found in PATH/);
    const directory = yield* Effect.flip(runOn(thread, { words: ["/etc/passwd"] }));
    assert.equal(directory.status, 126);
  });

  it("may be a text for the login shell", function* () {
    const thread = yield* far;
    const { stdout } = yield* runOn(thread, {
      words: ["echo", "$((1 + 1))", "|", "sed", "s/2/two/"],
      shell: true,
    });
    assert.equal(text(stdout), "two\n");
    const words = yield* runOn(thread, { words: ["echo", "$HOME", "| x"] });
    assert.equal(text(words.stdout), "$HOME | x\n");
  });

  it("that writes without end fills nothing: the first bytes are kept, the rest is counted", function* () {
    const thread = yield* far;
    const before = process.memoryUsage().rss;
    const script = "head -c 100000000 /dev/zero; echo err >&2";
    const done = yield* runOn(thread, { words: ["sh", "-c", script], limit: 1000 });
    assert.equal(done.stdout.length, 1000);
    assert.equal(done.stdoutCut, 100_000_000 - 1000);
    assert.equal(text(done.stderr), "err\n");
    assert.isBelow(process.memoryUsage().rss - before, 50_000_000);
    const none = yield* runOn(thread, { words: ["echo", "x"], limit: 0 });
    assert.deepEqual([none.stdout.length, none.stdoutCut], [0, 2]);
  });

  it("has a limit of time", function* () {
    const thread = yield* far;
    const begun = performance.now();
    const late = yield* Effect.flip(
      runOn(thread, { words: ["sh", "-c", "echo begun; sleep 50; true"], timeout: 300 }),
    );
    assert.isBelow(performance.now() - begun, 5000);
    assert.equal(late.message, "did not end within 0.3 s, and was killed");
    assert.equal(text(late.stdout), "begun\n");
    yield* eventually(() => childrenOf(thread.task.pid).length === 0);
  });

  it.skipIf(notRoot)("that has changed its user is not said to be killed", function* () {
    const directory = yield* tempDirectory;
    chmodSync(directory, 0o755);
    const program = `${directory}/set-user-id`;
    copyFileSync("/usr/bin/setpriv", program);
    chmodSync(program, 0o4755);
    const { thread } = yield* CommandTask.make(yield* LocalThread, (...words) =>
      Command.make(
        ...(["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] as const),
        ...words,
      ),
    );
    const late = yield* Effect.flip(
      runOn(thread, { words: [program, "--reuid=0", "sleep", "3"], timeout: 100 }),
    );
    assert.match(
      late.message,
      /^did not end within 0.1 s, and could not be killed: .* goes on; its/,
    );
    assert.isUndefined(late.signal);
    const [pid = 0] = childrenOf(thread.task.pid);
    assert.isFalse(hasEnded(pid));
    process.kill(pid, "SIGKILL");
    yield* eventually(() => hasEnded(pid));
  });

  it("ends with all of its process group when it is interrupted", function* () {
    const thread = yield* far;
    const directory = yield* tempDirectory;
    const script = `sleep 50 & echo $! $$ > ${directory}/pids; wait`;
    const fiber = yield* Effect.forkChild(runOn(thread, sh(script)));
    const said = () => textOf(`${directory}/pids`);
    yield* eventually(() => said().endsWith("\n"));
    yield* Fiber.interrupt(fiber);
    const pids = said().split(" ").map(Number);
    assert.equal(pids.length, 2);
    for (const pid of pids) yield* eventually(() => hasEnded(pid));
    assert.equal(text((yield* runOn(thread, { words: ["echo", "goes on"] })).stdout), "goes on\n");
  });

  it("may leave a program in the background, and is not held up by it", function* () {
    const thread = yield* far;
    const begun = performance.now();
    const [{ stdout, outputOpen }, failed] = yield* Effect.all(
      [
        runOn(thread, sh("sleep 50 & echo $!")),
        Effect.flip(runOn(thread, sh("sleep 50 & echo $!; exit 2"))),
      ],
      { concurrency: "unbounded" },
    );
    assert.isBelow(performance.now() - begun, 5000);
    for (const pid of [stdout, failed.stdout].map(text).map(Number)) {
      assert.isFalse(hasEnded(pid));
      process.kill(pid, "SIGKILL");
    }
    // What it could still write is not here.
    assert.isTrue(outputOpen && failed.outputOpen);
    assert.equal(
      failed.message,
      "exited with status 2; its output was still open after 1 s: what came later is not shown",
    );
  });

  it("of which a part of the output comes late is read whole", function* () {
    const thread = yield* far;
    const { stdout } = yield* runOn(thread, sh("(sleep 0.2; echo late) &"));
    assert.equal(text(stdout), "late\n");
  });

  it("leaves no descriptor open", function* () {
    const thread = yield* far;
    const count = () => readdirSync(`/proc/${thread.task.pid}/fd`).length;
    yield* runOn(thread, { words: ["true"] });
    const before = count();
    for (let i = 0; i < 10; i++) yield* runOn(thread, { words: ["echo", "x"] });
    yield* eventually(() => count() <= before);
  });
});
