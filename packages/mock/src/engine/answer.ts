import { type StubCall, StubServer } from "@rsyscall/stub-server";
import { Deferred, Effect } from "effect";
import { handleBy } from "../handleBy.ts";
import { perform } from "../perform.ts";
import type { CallRecord } from "../record.ts";
import type { ReplyData } from "../reply.ts";
import { blocked } from "./Engine.ts";
import type { MockServer } from "./MockServer.ts";

/** Exit status of a call whose handler has failed: EX_SOFTWARE of sysexits.h. */
const FAILED = 70;

/** Answers a call as was decided. */
export const answer = (server: MockServer, call: StubCall, record: CallRecord, reply: ReplyData) =>
  Effect.gen(function* () {
    const { deadline } = server.options;
    const behind = server.behind(record);
    switch (reply.reply) {
      case "fixed":
        server.tell(record.index, {
          outcome: "replied",
          ...(reply.signal === undefined ? { status: reply.status } : { signal: reply.signal }),
        });
        return yield* perform(call, reply, behind);
      case "deny":
        return yield* perform(call, reply, behind);
      case "pass":
        server.tell(record.index, { outcome: "passed" });
        return yield* perform(call, reply, behind);
      case "closure":
        return yield* leaveToTest(server, call, record, reply.id);
      case "module":
        return yield* handleBy(call, record, {
          handler: () => server.engine.load(reply.url),
          behind,
          deadline,
          tell: (changes) => server.tell(record.index, changes),
        });
      default:
        return yield* Effect.die(new Error(`no answer of kind ${reply.reply}`));
    }
  });

/** Leaves a call to a function of the test. If the thread of the test is blocked, the caller hears of it here. */
const leaveToTest = (server: MockServer, call: StubCall, record: CallRecord, id: number) =>
  Effect.gen(function* () {
    const { blockedLimit } = server.options;
    const { index, program } = record;
    const taken = Deferred.makeUnsafe<void>();
    server.taking.set(index, taken);
    const handed = yield* call.handOver();
    server.engine.post({ type: "closure", mock: server.mock, index, id, handed });
    const isTaken = yield* Deferred.await(taken).pipe(
      Effect.timeoutOption(blockedLimit),
      Effect.ensuring(Effect.sync(() => server.taking.delete(index))),
    );
    if (isTaken._tag === "Some") return;
    const problem = `${record.program} was not answered: ${blocked(blockedLimit)}`;
    const refusal = { stderr: `${program}: rsyscall: ${problem}\n`, status: FAILED };
    yield* StubServer.handle(server.thread, handed, (own) => {
      server.tell(index, { outcome: "failed", status: FAILED, problem });
      return own.reply(refusal);
    }).pipe(
      // The thread of the test has taken it at the last moment.
      Effect.catchTag("InvalidStateError", () => Effect.void),
    );
  });
