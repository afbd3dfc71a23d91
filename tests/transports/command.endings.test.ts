import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { it, notRoot, start, tempDirectory } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { NEEDED, only, places } from "../../packages/task-command/test/worlds.ts";

const fixture = fileURLToPath(new URL("../fixtures/command.mjs", import.meta.url));

/** The processes that have a variable in their environment, but for one. */
const marked = (mark: string, but: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid !== but && environmentOf(pid).includes(mark));

const environmentOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    // It is no process, or has ended.
    return "";
  }
};

/** A controller, and whether all processes that it has started have ended. */
const startMarked = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const mark = `COMMAND_TEST=${process.pid}-${Math.random()}`;
    const controller = yield* start(process.execPath, [fixture, ...args], {
      env: { ...process.env, [mark.split("=")[0] as string]: mark.split("=")[1] },
    });
    return { controller, others: () => marked(mark, controller.pid) };
  });

/** Whether it is there, and begins as one. */
const isProgram = (path: string): boolean => {
  try {
    return readFileSync(path, "latin1").startsWith("\x7fELF");
  } catch {
    return false;
  }
};

const until = (wanted: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!wanted()) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
  });

describe("when the controller is killed", () => {
  for (const [how, script] of [
    ["commands that become the tasks", 'exec "$@"'],
    ["commands that stay", '"$@"; exit $?'],
    ["commands behind pipes", 'cat | "$@" | cat'],
  ] as const)
    it(`no process is left of ${how}`, function* () {
      const { controller, others } = yield* startMarked(script);
      yield* controller.line((line) => line === "ready");
      assert.isAtLeast(others().length, 6);
      yield* controller.kill("SIGKILL");
      yield* until(() => others().length === 0);
    });

  it.skipIf(notRoot)("nothing is left of an executable that has not come yet", function* () {
    const directory = yield* tempDirectory;
    // Only the first bytes get through. The shell behind cat(1) keeps the pipe open.
    const script = [
      `mount --bind ${directory} /media`,
      places("noexec"),
      "export TMPDIR=/media",
      only(...NEEDED, "cat"),
      '{ head -c 16384; cat > /mnt/rest; :; } | "$@"',
    ].join("; ");
    const words = `exec unshare --mount /bin/sh -c '${script.replaceAll("'", "'\\''")}' sh "$@"`;
    const { controller, others } = yield* startMarked(words);
    const isComing = () => readdirSync(directory).some((name) => isProgram(`${directory}/${name}`));
    yield* until(isComing);
    assert.isAbove(others().length, 0);
    yield* controller.kill("SIGKILL");
    yield* until(() => others().length === 0);
    assert.deepEqual(readdirSync(directory), []);
  });
});
