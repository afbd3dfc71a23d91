import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { it } from "../../../tests/harness/index.ts";

describe("a task behind a command's stdin and stdout", () => {
  it("works", function* () {
    const local = yield* LocalThread;
    const { thread } = yield* CommandTask.launch(local, (...words) =>
      Command.make("/usr/bin/env", "-C", "/", "X=y", ...words),
    );
    assert.equal(thread.environ.get("X"), "y");
    assert.match(new TextDecoder().decode(yield* thread.slurp("/proc/self/stat")), /rsyscall-task/);
    const [r, w] = yield* thread.pipe();
    const reading = yield* Effect.forkScoped(thread.readTextToEof(r));
    yield* w.writeAllText("hello");
    yield* w.close;
    assert.equal(
      yield* (yield* Effect.promise(() => import("effect"))).Fiber.join(reading),
      "hello",
    );
    const state = yield* thread.run(Command.make("/bin/sh", "-c", "exit 7"));
    assert.equal(state.exitStatus, 7);
    const child = yield* thread.fork();
    assert.isTrue((yield* child.run(Command.make("/bin/true"))).clean);
  });
});
