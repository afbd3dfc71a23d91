import type { StubCall } from "@rsyscall/stub-server";
import { Effect } from "effect";
import { runOutside } from "./outside.ts";
import { orRefused, type PassOptions, passedCommand } from "./passing.ts";
import type { CallRecord } from "./record.ts";
import type { ReplyData } from "./reply.ts";

/** A reply that needs nothing but the call. */
export type PlainReply = Extract<ReplyData, { reply: "fixed" | "deny" | "pass" }>;

type Fixed = Extract<ReplyData, { reply: "fixed" }>;

const endOf = ({ status, signal }: Fixed) => (signal === undefined ? { status } : { signal });

/** What becomes of a call that gets a reply, as far as it is known before. */
export const outcomeOf = (reply: ReplyData): Partial<CallRecord> => {
  if (reply.reply === "fixed") return { outcome: "replied", ...endOf(reply) };
  return reply.reply === "pass" || reply.reply === "spy" ? { outcome: "passed" } : {};
};

/** Gives a call what it gets. */
export const perform = (call: StubCall, reply: PlainReply, options: PassOptions) => {
  switch (reply.reply) {
    case "fixed": {
      const { chunks, delay } = reply;
      const answer = call.reply({
        chunks: chunks.map(([fd, bytes]) => (fd === 1 ? { stdout: bytes } : { stderr: bytes })),
        ...endOf(reply),
      });
      return delay === undefined ? answer : Effect.delay(answer, delay);
    }
    case "deny":
      return call.reply({ stderr: reply.message, status: reply.status });
    case "pass":
      return passed(call, reply, options);
  }
};

const passed = (
  call: StubCall,
  reply: Extract<ReplyData, { reply: "pass" }>,
  options: PassOptions,
) =>
  Effect.asVoid(
    reply.outside
      ? runOutside(call, reply, options)
      : Effect.flatMap(passedCommand(call, reply, options), (command) => call.exec(command)),
  ).pipe(orRefused(call, options));
