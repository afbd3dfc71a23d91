import { chmodSync, chownSync, copyFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { childrenOf, hasEnded, it, notRoot, start, tempDirectory } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const fixture = fileURLToPath(new URL("../fixtures/parentDeath.mjs", import.meta.url));

/** Milliseconds that the kernel may take to kill processes that have lost their parent. */
const LIMIT = 5000;

/** The present descendants of a process. */
const descendants = (pid: number): ReadonlyArray<number> =>
  childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);

interface Pids {
  /** Processes that must end with the controller, and those that outlive it. */
  readonly ours: Readonly<Record<string, number>>;
  readonly left: Readonly<Record<string, number>>;
}

/** Kills a controller, and gives the processes that are still there. */
const survivorsOf = (command: string, args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const controller = yield* start(command, args);
    let pids: Pids | undefined;
    yield* Effect.raceFirst(
      controller.line((line) => {
        if (line.startsWith("{")) pids = JSON.parse(line);
        return pids !== undefined;
      }),
      Effect.flatMap(controller.ended, ({ stderr }) => Effect.die(new Error(String(stderr)))),
    );
    const { ours, left } = pids as unknown as Pids;
    const all = descendants(controller.pid);
    const named = new Set(Object.values(ours));
    for (const [name, pid] of Object.entries({ ...ours, ...left }))
      assert.isFalse(hasEnded(pid), `${name} (pid ${pid}) lives`);
    yield* controller.kill("SIGKILL");
    const spared = new Set(Object.values(left));
    const mortal = all.filter((pid) => !spared.has(pid));
    const end = performance.now() + LIMIT;
    while (mortal.some((pid) => !hasEnded(pid)) && performance.now() < end) yield* Effect.sleep(5);
    const survivors = mortal.filter((pid) => !hasEnded(pid));
    const kept = Object.entries(left).filter(([, pid]) => !hasEnded(pid));
    for (const pid of [...survivors, ...spared])
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    const nameOf = (pid: number) =>
      Object.entries(ours).find(([, other]) => other === pid)?.[0] ?? `pid ${pid}`;
    return {
      survivors: survivors.map(nameOf),
      kept: kept.map(([name]) => name),
      left: Object.keys(left),
      count: named.size,
    };
  });

describe("when SIGKILL ends a controller", () => {
  it.skipIf(notRoot)("of root, nothing outlives it, also with other ids", function* () {
    const directory = yield* tempDirectory;
    const program = `${directory}/set-user-id`;
    copyFileSync("/bin/sleep", program);
    chownSync(program, 65534, 65534);
    chmodSync(program, 0o4755);
    const { survivors, kept, left, count } = yield* survivorsOf(process.execPath, [
      fixture,
      directory,
      program,
    ]);
    assert.deepEqual(survivors, []);
    assert.isAbove(count, 100);
    // Those that docs/children.md says outlive it do so; otherwise the page could promise more.
    assert.deepEqual(kept, left);
  });

  it("of a user without rights, nothing outlives it", function* () {
    const directory = yield* tempDirectory;
    const args = [fixture, directory];
    if (notRoot === undefined) chownSync(directory, 65534, 65534);
    const { survivors, kept } = yield* notRoot === undefined
      ? survivorsOf("setpriv", [
          ...["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath],
          ...args,
        ])
      : survivorsOf(process.execPath, args);
    assert.deepEqual(survivors, []);
    assert.deepEqual(kept, ["detached"]);
  });
});
