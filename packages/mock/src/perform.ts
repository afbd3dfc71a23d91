import type { HandleFailure } from "@rsyscall/handle";
import { Path } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Effect } from "effect";
import { findProgram } from "./names.ts";
import type { Pass, ReplyData } from "./reply.ts";

/** The name by which a call has come. */
export const nameOf = (call: StubCall): string =>
  (call.execfn ?? Path.make(call.argv[0] ?? "")).name;

/** A reply that needs nothing but the call. */
export type PlainReply = Extract<ReplyData, { reply: "fixed" | "deny" | "pass" }>;

/** Gives a call what it gets. @param searchPath PATH without the mock */
export const perform = (call: StubCall, reply: PlainReply, searchPath: string) =>
  Effect.gen(function* () {
    switch (reply.reply) {
      case "fixed": {
        const { chunks, status, signal, delay } = reply;
        if (delay !== undefined) yield* Effect.sleep(delay);
        yield* call.reply({
          chunks: chunks.map(([fd, bytes]) => (fd === 1 ? { stdout: bytes } : { stderr: bytes })),
          ...(signal === undefined ? { status } : { signal }),
        });
        return;
      }
      case "deny":
        yield* call.reply({ stderr: reply.message, status: reply.status });
        return;
      case "pass":
        yield* call.exec(yield* realProgram(call, reply, searchPath));
    }
  });

/** The next program of that name in the caller's PATH. Where the mock is all of PATH, the one that PATH had without it. */
const realProgram = (call: StubCall, _: Pass, searchPath: string) =>
  Effect.catchTag(call.real(), "ExecutableNotFoundError", (error) => {
    const found = findProgram(searchPath, nameOf(call));
    return found === undefined ? Effect.fail(error) : Effect.succeed(call.command(found));
  });

export type PerformFailure = HandleFailure;
