import { SIG } from "@rsyscall/abi";
import { it, start, tempDirectory } from "@rsyscall/harness";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";

/** A server must not rely on running in this process: any Thread can listen and bootstrap. */
describe("a stub's Thread", () => {
  it("does the bootstrap of another stub", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "a");
    const first = yield* start(`${directory}/a`);
    const { thread } = yield* server.accept();
    const second = yield* start(`${directory}/a`, [], { input: "for the second" });
    const call = yield* server.accept(thread);
    assert.equal(call.pid, second.pid);
    assert.equal(yield* call.thread.readTextToEof(call.thread.stdin), "for the second");
    yield* call.thread.exit(4);
    yield* thread.exit(3);
    assert.equal((yield* first.ended).status, 3);
    assert.equal((yield* second.ended).status, 4);
  });

  it("listens for other stubs, which it or this process bootstraps", function* () {
    const directory = yield* tempDirectory;
    const local = yield* LocalThread;
    const outer = yield* StubServer.make(local, directory, "outer");
    const host = yield* start(`${directory}/outer`);
    const { thread } = yield* outer.accept();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const inner = yield* StubServer.make(thread, directory, "inner", { link: "copy" });
        for (const [i, bootstrapper] of [thread, local].entries()) {
          const caller = yield* start(`${directory}/inner`, ["x"], { input: `message ${i}` });
          const call = yield* inner.accept(bootstrapper);
          assert.deepEqual(call.argv, [`${directory}/inner`, "x"]);
          assert.equal(yield* call.thread.readTextToEof(call.thread.stdin), `message ${i}`);
          yield* call.thread.raise(SIG.TERM);
          assert.equal((yield* caller.ended).signal, "SIGTERM");
        }
      }),
    );
    yield* thread.exit(0);
    assert.equal((yield* host.ended).status, 0);
  });
});
