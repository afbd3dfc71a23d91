import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { execute, it, tempDirectory } from "../harness/index.ts";

describe("serve", () => {
  it("gives the caller the handler's status, and reads what the caller wrote", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "sendmail");
    const calls: Array<unknown> = [];
    yield* Effect.forkScoped(
      server.serve((call) =>
        Effect.gen(function* () {
          calls.push(call.argv, yield* call.thread.readTextToEof(call.thread.stdin));
          return 7;
        }),
      ),
    );
    const ended = yield* execute(`${directory}/sendmail`, ["-t", "a b"], { input: "hello\n" });
    assert.equal(ended.status, 7);
    assert.deepEqual(calls, [[`${directory}/sendmail`, "-t", "a b"], "hello\n"]);
  });
});
