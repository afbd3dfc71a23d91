import { readdirSync, readFileSync } from "node:fs";
import { SIG } from "@rsyscall/abi";
import { it, untilEnded, worksAsync } from "@rsyscall/harness";
import { pattern } from "@rsyscall/harness/taskStream";
import { batch, getpid, SyscallHangup, SyscallSendError } from "@rsyscall/near";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect, Fiber, type Scope } from "effect";
import { assert, describe } from "vitest";
import { CommandTask } from "../src/index.ts";
import { script } from "./worlds.ts";

const plain = script('exec "$@"');

const launch = Effect.flatMap(LocalThread, (local) => CommandTask.make(local, plain));

describe("a task behind a command's stdin and stdout", () => {
  it("hears what is written to stdout and stderr while it runs", function* () {
    const parts: Array<string> = [];
    const task = yield* CommandTask.make(
      yield* LocalThread,
      script('echo the command >&2; exec "$@"'),
      { onStderr: (bytes) => parts.push(new TextDecoder().decode(bytes)) },
    );
    const { thread } = task;
    assert.equal(task.stderr, "the command\n");
    yield* thread.run(Command.make("/bin/sh", "-c", "echo a program; echo its troubles >&2"));
    yield* thread.stdout.writeAllText("the task\n");
    while (!task.stderr.includes("the task")) yield* Effect.yieldNow;
    assert.equal(task.stderr, "the command\na program\nits troubles\nthe task\n");
    assert.equal(parts.join(""), task.stderr);
    // There is no more to be read from stdin than from /dev/null.
    assert.equal((yield* thread.stdin.readBytes(1)).length, 0);
  });

  it("carries a hundred Threads at once", function* () {
    const { thread } = yield* launch;
    yield* Effect.forEach(
      Array.from({ length: 100 }, (_, i) => i),
      (i) =>
        Effect.scoped(
          Effect.gen(function* () {
            const child = yield* thread.fork();
            const bytes = pattern(10_000 + i, i + 1);
            const pointer = yield* child.ptr(new Uint8Array(bytes));
            const pids = yield* batch(Array.from({ length: 10 }, () => getpid(child.task.sysif)));
            assert.isTrue(pids.every((pid) => pid === child.task.pid));
            assert.isTrue(Buffer.from(yield* pointer.read()).equals(bytes));
          }),
        ),
      { concurrency: "unbounded" },
    );
    yield* worksAsync(thread);
  });
});

/** Numbers that come out the same every time: the generator of Park and Miller. */
const random = (seed: number) => {
  let state = seed;
  return (below: number) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
};

describe("a command that is killed in the middle of anything", () => {
  for (let seed = 1; seed <= 8; seed++)
    it(`ends all that goes through it (seed ${seed})`, function* () {
      const next = random(seed);
      const far = yield* launch;
      const { thread, process } = far;
      let left = next(400);
      const step = Effect.suspend(() => {
        if (left-- === 0) return process.kill(SIG.KILL);
        return Effect.void;
      });
      const work = (kind: number): Effect.Effect<unknown, unknown, Scope.Scope> =>
        [
          () => getpid(thread.task.sysif),
          () =>
            thread.ptr(new Uint8Array(300_000)).pipe(Effect.flatMap((pointer) => pointer.read())),
          () => thread.pipe().pipe(Effect.flatMap(([, writer]) => writer.writeAllText("x"))),
          () => thread.connection.openChannels(2),
          () => thread.run(Command.make("/bin/true")),
          () => thread.fork().pipe(Effect.flatMap((child) => getpid(child.task.sysif))),
        ][kind]?.() ?? Effect.void;
      const worker = (kind: number) =>
        Effect.forever(
          Effect.andThen(
            step,
            Effect.suspend(() => Effect.scoped(work(kind))),
          ),
        );
      const fibers = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (kind) =>
        Effect.forkChild(Effect.flip(worker(kind))),
      );
      const errors = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber));
      for (const error of errors) {
        const isCut = error instanceof SyscallHangup || error instanceof SyscallSendError;
        // Channels are made by the multiplexer, which is gone.
        assert.isTrue(isCut || /EPIPE/.test(String(error)), String(error));
      }
      yield* far.ended();
      assert.instanceOf(yield* Effect.flip(getpid(thread.task.sysif)), SyscallSendError);
      yield* untilEnded(thread.task.pid);
    });
});

describe("what a command leaves", () => {
  it("is nothing", function* () {
    const pids = yield* Effect.scoped(
      Effect.gen(function* () {
        const { thread, process } = yield* CommandTask.make(
          yield* LocalThread,
          script('"$@"; exit 1'),
        );
        const child = yield* thread.fork();
        return [process.pid, thread.task.pid, child.task.pid];
      }),
    );
    for (const pid of pids) yield* untilEnded(pid);
  });

  it("is a thread that others see by its name", function* () {
    const { thread } = yield* launch;
    assert.equal(readFileSync(`/proc/${thread.task.pid}/comm`, "utf8"), "rsyscall-task\n");
    assert.isAbove(readdirSync(`/proc/${thread.task.pid}/fd`).length, 3);
  });
});
