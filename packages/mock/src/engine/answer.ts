import { EX } from "@rsyscall/abi";
import { type StubCall, StubServer } from "@rsyscall/stub-server";
import { Deferred, Effect } from "effect";
import { handleBy } from "../handleBy.ts";
import type { PostedRecord } from "../messages.ts";
import { orRefused, passedCommand } from "../passing.ts";
import { orKilled, perform } from "../perform.ts";
import type { CallRecord } from "../record.ts";
import type { ReplyData } from "../reply.ts";

import { blocked } from "./blocked.ts";

import type { MockServer } from "./MockServer.ts";
import { spy } from "./spying.ts";

/** Answers a call as was decided. */
export const answer = (
  server: MockServer,
  call: StubCall,
  record: PostedRecord,
  reply: ReplyData,
) => {
  const { deadline, directory } = server.options;
  const tell = (changes: Partial<CallRecord>) => server.tell(record.index, changes);
  const options = { ...server.behind(record), directory, thread: server.thread, tell };
  switch (reply.reply) {
    case "fixed":
    case "deny":
    case "pass":
      return perform(call, reply, options);
    case "closure":
      return leaveToTest(server, call, record, reply.id);
    case "module":
      return handleBy(call, record, {
        handler: () => server.engine.load(reply.url),
        deadline,
        ...options,
      });
    case "spy":
      return passedCommand(call, {}, options).pipe(
        Effect.flatMap((command) => spy(server, call, record.index, command, reply.limit)),
        orRefused(call, options),
        orKilled(tell),
      );
  }
};

/** Leaves a call to a function of the test. If the thread of the test is blocked, the caller hears of it here. */
const leaveToTest = (server: MockServer, call: StubCall, record: PostedRecord, id: number) =>
  Effect.gen(function* () {
    const { blockedLimit } = server.options;
    const { index, program } = record;
    const taking = {
      heard: Deferred.makeUnsafe<void>(),
      taken: Deferred.makeUnsafe<string | undefined>(),
    };
    server.taking.set(index, taking);
    const handed = yield* call.handOver();
    server.engine.post({ type: "closure", mock: server.mock, index, id, handed });
    const problem = yield* Deferred.await(taking.heard).pipe(
      Effect.timeoutOption(blockedLimit),
      Effect.flatMap((heard) =>
        heard._tag === "Some"
          ? Deferred.await(taking.taken)
          : Effect.succeed(`${program} was not answered: ${blocked(blockedLimit)}`),
      ),
      Effect.ensuring(Effect.sync(() => server.taking.delete(index))),
    );
    if (problem === undefined) return;
    const refusal = { stderr: `${program}: rsyscall: ${problem}\n`, status: EX.SOFTWARE };
    yield* StubServer.handle(server.thread, handed, (own) => {
      server.tell(index, { outcome: "failed", status: EX.SOFTWARE, problem });
      return own.reply(refusal);
    }).pipe(
      // The thread of the test has taken it at the last moment.
      Effect.catchTag("InvalidStateError", () => Effect.void),
    );
  });
