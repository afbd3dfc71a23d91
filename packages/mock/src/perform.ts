import type { StubCall } from "@rsyscall/stub-server";
import { Effect } from "effect";
import { runOutside } from "./outside.ts";
import { orRefused, type PassOptions, passedCommand } from "./passing.ts";
import type { ReplyData } from "./reply.ts";

/** A reply that needs nothing but the call. */
export type PlainReply = Extract<ReplyData, { reply: "fixed" | "deny" | "pass" }>;

/** Gives a call what it gets, and tells what has become of it. */
export const perform = (call: StubCall, reply: PlainReply, options: PassOptions) =>
  Effect.gen(function* () {
    switch (reply.reply) {
      case "fixed": {
        const { chunks, status, signal, delay } = reply;
        const end = signal === undefined ? { status } : { signal };
        options.tell({ outcome: "replied", ...end });
        if (delay !== undefined) yield* Effect.sleep(delay);
        yield* call.reply({
          chunks: chunks.map(([fd, bytes]) => (fd === 1 ? { stdout: bytes } : { stderr: bytes })),
          ...end,
        });
        return;
      }
      case "deny":
        yield* call.reply({ stderr: reply.message, status: reply.status });
        return;
      case "pass":
        options.tell({ outcome: "passed" });
        yield* (
          reply.outside
            ? runOutside(call, reply, options)
            : Effect.flatMap(passedCommand(call, reply, options), (command) => call.exec(command))
        ).pipe(orRefused(call, options));
    }
  });
