import { isNativeError } from "node:util/types";
import { EX } from "@rsyscall/abi";
import type { FileDescriptor } from "@rsyscall/handle";
import type { StubCall } from "@rsyscall/stub-server";
import { Effect, Stream } from "effect";
import type { Call, CallHandler, CallInput, CallOutput } from "./Call.ts";
import type { PassOptions } from "./passing.ts";
import { shownCommand } from "./pattern.ts";
import { KILLED, outcomeOf, type PlainReply, perform } from "./perform.ts";
import { readInput } from "./readInput.ts";
import type { CallRecord } from "./record.ts";
import { replyDataOf } from "./replyData.ts";

export interface HandleOptions extends PassOptions {
  readonly handler: () => CallHandler | Promise<CallHandler>;
  /** Milliseconds. */
  readonly deadline: number;
  /** Gets what the handler has thrown. */
  readonly onFailure?: (error: unknown) => void;
}

/** Answers a call by a function that gives a reply or a promise of one. Its failure is the test's, and ends the call. */
export const handleBy = (
  stubCall: StubCall,
  record: Omit<CallRecord, "env">,
  { handler, deadline, onFailure, ...options }: HandleOptions,
) => {
  const { tell } = options;
  const abort = new AbortController();
  const call = callOf(stubCall, record, abort.signal);
  const refuse = (problem: string, status: number) =>
    Effect.suspend(() => {
      const line = shownCommand([record.program, ...record.argv.slice(1)]);
      tell({ outcome: "failed", status, problem: `${line}: ${problem}` });
      return stubCall.reply({ stderr: `${record.program}: rsyscall: ${problem}\n`, status });
    });
  const answered = Effect.tryPromise({
    try: async () => {
      const reply = replyDataOf((await (await handler())(call)) ?? 0);
      if (reply.reply === "spy") throw new Error("a function cannot reply with spy");
      return reply as PlainReply;
    },
    catch: (error) => {
      onFailure?.(error);
      return `its handler has failed: ${isNativeError(error) ? error.message : String(error)}`;
    },
  });
  const hasEnded = Effect.andThen(stubCall.ended(), Effect.fail(undefined));
  return Effect.raceFirst(answered, hasEnded).pipe(
    Effect.timeoutOrElse({
      duration: deadline,
      orElse: () => Effect.fail(null),
    }),
    Effect.matchEffect({
      onSuccess: (reply) => {
        tell(outcomeOf(reply));
        return perform(stubCall, reply, options);
      },
      onFailure: (problem) =>
        typeof problem === "string"
          ? refuse(problem, EX.SOFTWARE)
          : problem === null
            ? refuse(`its handler did not answer within ${deadline} ms`, EX.TEMPFAIL)
            : // The caller was killed, and waits for no answer.
              Effect.sync(() => tell(KILLED)),
    }),
    Effect.ensuring(Effect.sync(() => abort.abort())),
  );
};

const inputOf = (call: StubCall): CallInput => {
  let all: Promise<Uint8Array> | undefined;
  const bytes = () => {
    all ??= Effect.runPromise(readInput(call));
    return all;
  };
  const text = async () => new TextDecoder().decode(await bytes());
  const stream = async function* () {
    if (all !== undefined) yield await all;
    else yield* Stream.toAsyncIterable(Stream.suspend(() => call.thread.stream(call.thread.stdin)));
  };
  return {
    bytes,
    text,
    json: async () => JSON.parse(await text()) as unknown,
    stream,
    lines: async function* () {
      const decoder = new TextDecoder();
      let last = "";
      for await (const part of stream()) {
        const lines = (last + decoder.decode(part, { stream: true })).split("\n");
        last = lines.pop() as string;
        yield* lines;
      }
      if (last !== "") yield last;
    },
  };
};

const outputOf = (call: StubCall, fd: (call: StubCall) => FileDescriptor): CallOutput => ({
  write: (text) =>
    Effect.runPromise(
      Effect.suspend(() =>
        call.thread.writeAll(
          fd(call),
          typeof text === "string" ? new TextEncoder().encode(text) : text,
        ),
      ),
    ),
});

/** A call as a handler has it. */
const callOf = (
  stubCall: StubCall,
  record: Omit<CallRecord, "env">,
  signal: AbortSignal,
): Call => ({
  index: record.index,
  program: record.program,
  path: record.path,
  argv: record.argv,
  args: record.argv.slice(1),
  env: stubCall.env,
  cwd: record.cwd,
  pid: record.pid,
  ppid: record.ppid,
  parent: record.parent,
  stdin: inputOf(stubCall),
  stdout: outputOf(stubCall, (call) => call.thread.stdout),
  stderr: outputOf(stubCall, (call) => call.thread.stderr),
  signal,
  get thread() {
    return stubCall.thread;
  },
  stubCall,
});
