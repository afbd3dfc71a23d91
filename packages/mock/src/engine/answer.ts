import { Path } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Effect } from "effect";
import type { ReplyData } from "../reply.ts";
import type { MockServer } from "./MockServer.ts";
import { findProgram } from "./names.ts";

/** The next program of that name in the caller's PATH. Where the mock is all of PATH, the one that PATH had without it. */
const realProgram = (server: MockServer, call: StubCall) => {
  const place = server.paths.placeOf(call);
  if (place !== undefined) return server.paths.real(call, place);
  const next = Effect.flatMap(call.real(), (command) => server.paths.uncovered(call, command));
  return Effect.catchTag(next, "ExecutableNotFoundError", (error) => {
    const { searchPath } = server.options;
    const found = findProgram(searchPath, (call.execfn ?? Path.make(call.argv[0] ?? "")).name);
    return found === undefined ? Effect.fail(error) : Effect.succeed(call.command(found));
  });
};

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
        server.tell(index, { outcome: "passed" });
        return yield* call.thread.exec(yield* realProgram(server, call));
      default:
        return yield* Effect.die(new Error(`no answer of kind ${reply.reply}`));
    }
  });
