import { LOCK, O } from "@rsyscall/abi";
import { open } from "@rsyscall/handle";
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
import { Effect, Exit, Scope } from "effect";
import { assert, describe } from "vitest";

/** A task whose stdin is a pipe of cat(1), and how its stream is cut: cat is killed. */
const cuttable = Effect.gen(function* () {
  const local = yield* LocalThread;
  const task = yield* CommandTask.make(local, (...words) =>
    Command.make("/bin/sh", "-c", 'cat | "$@"', "sh", ...words),
  );
  const cut = Effect.sync(() => {
    const cat = childrenOf(task.process.pid).find((pid) => textOf(`/proc/${pid}/comm`) === "cat\n");
    process.kill(cat as number, "SIGKILL");
  });
  return { thread: task.thread, cut };
});

const sh = (thread: Thread, script: string) => thread.environ.sh.args("-c", script);

/** Reads what a program writes about itself: pids, and a newline. */
const pidsOf = (path: string) =>
  Effect.map(
    eventually(() => textOf(path).endsWith("\n")),
    () => textOf(path).trim().split(/\s+/).map(Number),
  );

/** Checks which processes are left, and kills those. */
const checkLeft = function* (ended: ReadonlyArray<number>, left: ReadonlyArray<number>) {
  for (const pid of ended) yield* eventually(() => hasEnded(pid));
  for (const pid of left) {
    assert.isFalse(hasEnded(pid), `the ${left.indexOf(pid)}th of ${left.length}`);
    process.kill(pid, "SIGKILL");
  }
};

describe("when the stream of a task is cut", () => {
  it("all that its programs have begun ends with them", function* () {
    const { thread, cut } = yield* cuttable;
    const directory = yield* tempDirectory;
    const family = (file: string) =>
      `sh -c 'setsid sh -c "sleep 1000 & echo \\$\\$ \\$!; wait" > ${file} & wait' & sleep 1000`;
    yield* thread.spawn(sh(thread, family(`${directory}/a`)), { session: true });
    const child = yield* thread.fork();
    yield* child.spawn(sh(child, `trap "" TERM HUP; ${family(`${directory}/b`)}`));
    const pids = [...(yield* pidsOf(`${directory}/a`)), ...(yield* pidsOf(`${directory}/b`))];
    assert.equal(pids.length, 4);
    yield* cut;
    yield* checkLeft(pids, []);
  });

  it("a lock is released only when the programs that work under it have ended", function* () {
    const { thread, cut } = yield* cuttable;
    const directory = yield* tempDirectory;
    const log = `${directory}/log`;
    const lock = yield* open(thread.task, `${directory}/lock`, O.RDWR | O.CREAT | O.CLOEXEC, 0o600);
    yield* lock.flock(LOCK.EX);
    const work = `while :; do echo work; done >> ${log}`;
    yield* thread.spawn(sh(thread, `for i in 1 2 3 4; do (${work}) & done; wait`));
    yield* eventually(() => textOf(log) !== "");
    const local = yield* LocalThread;
    const next = `exec flock ${directory}/lock sh -c 'echo next >> ${log}; sleep 0.05'`;
    const waiter = yield* local.spawn(sh(local, next));
    yield* eventually(() =>
      textOf("/proc/locks").includes(`-> FLOCK  ADVISORY  WRITE ${waiter.pid} `),
    );
    yield* cut;
    yield* waiter.check();
    assert.match(textOf(log), /work\nnext\n$/);
  });

  it("what was detached goes on: programs, and what daemons have done before", function* () {
    const { thread, cut } = yield* cuttable;
    const directory = yield* tempDirectory;
    const own = `sleep 1000 & echo $$ $! > ${directory}`;
    yield* thread.spawn(sh(thread, `${own}/a; wait`), { detached: true });
    const child = yield* thread.fork();
    yield* child.spawn(sh(child, `${own}/b; wait`), { detached: true });
    // Left by a program that has ended, and by one that still runs.
    yield* thread.run(sh(thread, `sleep 1000 & echo $! > ${directory}/c`));
    yield* thread.spawn(
      sh(thread, `(setsid sleep 1000 & echo $! > ${directory}/d); echo $$ > ${directory}/e; wait`),
    );
    const left: Array<number> = [];
    for (const name of ["a", "b", "c", "d"]) left.push(...(yield* pidsOf(`${directory}/${name}`)));
    assert.equal(left.length, 6);
    yield* pidsOf(`${directory}/e`);
    yield* cut;
    yield* eventually(() => hasEnded(thread.task.pid));
    yield* checkLeft([], left);
  });

  it.skipIf(notRoot)(
    "also if they have changed their user, where the task may signal them",
    function* () {
      const { thread, cut } = yield* cuttable;
      const directory = yield* tempDirectory;
      const other = "setpriv --reuid=65534 --regid=65534 --clear-groups sleep 1000";
      yield* thread.spawn(sh(thread, `${other} & echo $! > ${directory}/pid; wait`));
      const pids = yield* pidsOf(`${directory}/pid`);
      yield* cut;
      yield* checkLeft(pids, []);
    },
  );
});

describe("when the scope of a task closes", () => {
  it("what programs have left in the background goes on", function* () {
    const scope = yield* Scope.make();
    const { thread } = yield* Scope.provide(cuttable, scope);
    const directory = yield* tempDirectory;
    yield* thread.run(sh(thread, `sleep 1000 & echo $! > ${directory}/a`));
    yield* thread.spawn(sh(thread, `sleep 1000 & echo $$ $! > ${directory}/b; wait`), {
      detached: true,
    });
    const left = [...(yield* pidsOf(`${directory}/a`)), ...(yield* pidsOf(`${directory}/b`))];
    yield* Scope.close(scope, Exit.void);
    yield* eventually(() => hasEnded(thread.task.pid));
    yield* checkLeft([], left);
  });
});
