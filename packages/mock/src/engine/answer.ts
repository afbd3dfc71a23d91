import type { StubCall } from "@rsyscall/stub-server";
import { Effect } from "effect";
import type { Pass, ReplyData, Spy } from "../reply.ts";
import type { MockServer } from "./MockServer.ts";
import { cannotRun, passedCommand, refusal } from "./passing.ts";
import { spy } from "./spying.ts";

/** Answers a call as was decided. Gives its exit status. */
export const answer = (server: MockServer, call: StubCall, index: number, reply: ReplyData) =>
  Effect.gen(function* () {
    switch (reply.reply) {
      case "fixed":
        if (reply.delay !== undefined) yield* Effect.sleep(reply.delay);
        server.tell(index, { outcome: "replied", status: reply.status });
        for (const [fd, bytes] of reply.chunks)
          yield* (fd === 1 ? call.thread.stdout : call.thread.stderr).writeAllBytes(bytes);
        return reply.status;
      case "deny":
        yield* call.thread.stderr.writeAllText(reply.message);
        return reply.status;
      case "pass":
      case "spy":
        return yield* real(server, call, index, reply);
      default:
        return yield* Effect.die(new Error(`no answer of kind ${reply.reply}`));
    }
  });

/** Lets the real program run: in place of the call, or watched. */
const real = (server: MockServer, call: StubCall, index: number, reply: Pass | Spy) =>
  Effect.gen(function* () {
    const command = yield* passedCommand(server, call, reply.reply === "pass" ? reply : {});
    server.tell(index, { outcome: "passed" });
    return reply.reply === "pass"
      ? yield* call.thread.exec(command)
      : yield* spy(server, call, index, command, reply.limit);
  }).pipe(
    Effect.catchIf(cannotRun, (error) => {
      const { problem, status } = refusal(call, error);
      server.tell(index, { outcome: "failed", problem, status });
      return Effect.as(call.thread.stderr.writeAllText(`${problem}\n`), status);
    }),
  );
