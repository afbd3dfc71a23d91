import { createHash } from "node:crypto";
import { loginTty, openpty } from "@rsyscall/handle";
import { it, launchStub } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";
import { AsyncPty } from "../src/index.ts";

const stub = Effect.map(launchStub, ({ call }) => call.thread);

/** A shell that runs a script in a terminal of its own. */
const shellInTerminal = (script: string, where: typeof LocalThread | typeof stub) =>
  Effect.gen(function* () {
    const thread = yield* where;
    const [master, terminal] = yield* openpty(thread.task);
    const child = yield* thread.fork();
    yield* loginTty(yield* terminal.inherit(child.task), [child.stdin, child.stdout, child.stderr]);
    yield* child.exec(thread.environ.sh.args("-c", script));
    yield* terminal.close();
    return { pty: yield* AsyncPty.make(yield* thread.epoller(), master), process: child.process };
  });

const text = (parts: ReadonlyArray<Uint8Array>) => Buffer.concat(parts).toString();

describe("AsyncPty", () => {
  for (const [where, thread] of [
    ["here", LocalThread],
    ["in a stub", stub],
  ] as const) {
    it(`${where}, carries all that a program writes, and ends with it`, function* () {
      const script = "stty -onlcr; seq 200000";
      const { pty, process } = yield* shellInTerminal(script, thread);
      const written = text(yield* Stream.runCollect(pty.stream()));
      assert.equal(written, Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join(""));
      assert.lengthOf(yield* pty.readBytes(), 0);
      yield* process.check();
    });

    it(`${where}, types more than the terminal holds`, function* () {
      const script = "stty raw -echo; echo ready; head -c 300000 | md5sum";
      const { pty, process } = yield* shellInTerminal(script, thread);
      assert.match(text([yield* pty.readBytes()]), /^ready/);
      const bytes = new Uint8Array(300_000).map((_, i) => i % 251);
      const typing = yield* Effect.forkChild(
        Stream.run(Stream.make(bytes.subarray(0, 100_000), bytes.subarray(100_000)), pty.sink),
      );
      const answer = text(yield* Stream.runCollect(pty.stream()));
      assert.include(answer, createHash("md5").update(bytes).digest("hex"));
      yield* Fiber.join(typing);
      yield* process.check();
    });
  }

  it("is interrupted at once, and closed while somebody waits", function* () {
    const { pty, process } = yield* shellInTerminal("read line", LocalThread);
    const reading = yield* Effect.forkChild(pty.readBytes(), { startImmediately: true });
    yield* Fiber.interrupt(reading);
    const waiting = yield* Effect.forkChild(Effect.flip(pty.readBytes()), {
      startImmediately: true,
    });
    yield* pty.close();
    assert.equal((yield* Fiber.join(waiting))._tag, "UseAfterFreeError");
    // The session has lost its terminal.
    assert.equal((yield* process.wait()).signal, 1);
  });
});
