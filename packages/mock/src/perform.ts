import { UseAfterFreeError } from "@rsyscall/handle";
import { isGone } from "@rsyscall/near";
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

/** What becomes of a call that gets a reply, as far as it is known before: of one with a delay, nothing. */
export const outcomeOf = (reply: ReplyData): Partial<CallRecord> => {
  if (reply.reply === "fixed")
    return reply.delay === undefined ? { outcome: "replied", ...endOf(reply) } : {};
  return reply.reply === "pass" || reply.reply === "spy" ? { outcome: "passed" } : {};
};

type Tell = PassOptions["tell"];

/** Tells if the caller was killed before it had its answer. */
export const orKilled =
  (tell: Tell) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.tapError(effect, (error) =>
      Effect.sync(() => {
        if (isGone(error) || error instanceof UseAfterFreeError) tell(KILLED);
      }),
    );

export const KILLED = { outcome: "killed", status: undefined, signal: undefined } as const;

/** Gives a call what it gets. */
export const perform = (call: StubCall, reply: PlainReply, options: PassOptions) =>
  answered(call, reply, options).pipe(orKilled(options.tell));

const answered = (call: StubCall, reply: PlainReply, options: PassOptions) => {
  switch (reply.reply) {
    case "fixed": {
      const { chunks, delay } = reply;
      const answer = call.reply({
        chunks: chunks.map(([fd, bytes]) => (fd === 1 ? { stdout: bytes } : { stderr: bytes })),
        ...endOf(reply),
      });
      return delay === undefined ? answer : later(call, reply, answer, options.tell);
    }
    case "deny":
      return call.reply({ stderr: reply.message, status: reply.status });
    case "pass":
      return passed(call, reply, options);
  }
};

/** Answers when the time has come, unless the caller ends before. */
const later = <E>(
  call: StubCall,
  { delay = 0, ...reply }: Fixed,
  answer: Effect.Effect<void, E>,
  tell: Tell,
) =>
  Effect.raceFirst(Effect.as(Effect.sleep(delay), true), Effect.as(call.ended(), false)).pipe(
    Effect.flatMap((isThere) => {
      tell(isThere ? outcomeOf(reply) : KILLED);
      return isThere ? answer : Effect.void;
    }),
  );

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
