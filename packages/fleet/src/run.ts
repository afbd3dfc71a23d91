import { randomUUID } from "node:crypto";
import { Cause, Effect, Exit, Queue, Schema, Stream } from "effect";
import type { Sharding } from "effect/cluster";
import { checked } from "./checked.ts";
import { HostEntity, type Outcome } from "./HostEntity.ts";
import { HostError } from "./HostError.ts";
import type { Plain, Program } from "./Program.ts";

/** How a program is run on one host. */
export interface RunOnOptions {
  /** What identifies it: see {@link Attempt}. Default: a new one. */
  readonly key?: string;
  /** Whether it may have been done before. Default false. */
  readonly again?: boolean;
  /** Whether a run of the same key on the host is joined, and goes on if this one is interrupted. Default false. */
  readonly joins?: boolean;
}

/**
 * Runs a program on a host, in the process that owns the host, and gives its result. If it is interrupted, the program
 * is. It is never begun twice: if the owner dies, this fails with a HostError of which `mayHaveRun` is true.
 */
export const runOn = <Payload extends Plain, Success extends Plain, Error extends Plain, R>(
  program: Program<Payload, Success, Error, R>,
  host: string,
  payload: Payload["Type"],
  options: RunOnOptions = {},
): Effect.Effect<Success["Type"], Error["Type"] | HostError, Sharding.Sharding> =>
  Effect.flatMap(outcomeOn(program, host, payload, options), (outcome) =>
    resultOf(program, outcome),
  );

/** What a program has come to on a host, encoded. */
export const outcomeOn = <Payload extends Plain>(
  program: Pick<Program<Payload, Plain, Plain>, "name" | "payload">,
  host: string,
  payload: Payload["Type"],
  { key = randomUUID(), again = false, joins = false }: RunOnOptions,
): Effect.Effect<Outcome, HostError, Sharding.Sharding> =>
  Effect.gen(function* () {
    const input = (yield* Schema.encodeUnknownEffect(Schema.toCodecJson(program.payload))(
      payload,
    ).pipe(Effect.orDie)) as Schema.Json;
    const client = (yield* HostEntity.client)(host);
    const { incarnation } = yield* answered(host, client.Open(), false);
    return yield* answered(
      host,
      client.Run({ incarnation, program: program.name, input, key, again, joins }),
      true,
    );
  });

/** The result of a program, or an error of its schema. */
export const resultOf = <Success extends Plain, Error extends Plain>(
  { success, error }: { readonly success: Success; readonly error: Error },
  outcome: Outcome,
): Effect.Effect<Success["Type"], Error["Type"]> =>
  outcome._tag === "Success"
    ? Effect.orDie(Schema.decodeUnknownEffect(Schema.toCodecJson(success))(outcome.value))
    : Effect.flatMap(
        Effect.orDie(Schema.decodeUnknownEffect(Schema.toCodecJson(error))(outcome.error)),
        Effect.fail,
      );

/** The answer of the owner of a host, or why there is none. */
const answered = <A>(
  host: string,
  call: Effect.Effect<A, unknown>,
  mayHaveRun: boolean,
): Effect.Effect<A, HostError> =>
  Effect.flatMap(Effect.exit(call), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.succeed(exit.value);
    const error = Cause.squash(exit.cause);
    if (error instanceof HostError) return Effect.fail(error);
    // Ours would have ended us before this: it is the owner that was interrupted, because it gives the host to another.
    const isInterrupted = Cause.hasInterruptsOnly(exit.cause);
    const { _tag = "unknown", message = "" } = error as { _tag?: string; message?: string };
    const isRefused = _tag === "MailboxFull";
    return Effect.fail(
      new HostError({
        host,
        problem: isInterrupted || mayHaveRun ? "Moved" : "Open",
        error: isInterrupted ? "Interrupted" : _tag,
        detail: isInterrupted
          ? "the process that owned the host gives it to another"
          : isRefused
            ? "the process that owns the host has too many programs to run"
            : message || "no process of the cluster owns the host",
        mayHaveRun: mayHaveRun && !isRefused,
      }),
    );
  });

/** Options of a run on many hosts. */
export interface RunOptions {
  /** How many hosts at a time. Default 20. */
  readonly concurrency?: number;
  /** After how many failures no further host is begun. Those that run go on to their end. Default: never. */
  readonly stopAfter?: number;
}

/** What happens in a run. Durations are in milliseconds. */
export type RunEvent<A = unknown, E = unknown> =
  | { readonly _tag: "Started"; readonly host: string }
  | { readonly _tag: "Done"; readonly host: string; readonly value: A; readonly duration: number }
  | {
      readonly _tag: "Failed";
      readonly host: string;
      readonly error: E | HostError;
      readonly duration: number;
    }
  /** It was not begun, because others have failed. */
  | { readonly _tag: "Skipped"; readonly host: string };

/**
 * Runs a program on many hosts, and gives what happens as it happens: `Started` and then `Done` or `Failed` for each
 * host, or `Skipped`. A host that is named twice is run once. If the stream is ended early, the programs that run are
 * interrupted.
 */
export const run = <Payload extends Plain, Success extends Plain, Error extends Plain, R>(
  program: Program<Payload, Success, Error, R>,
  hosts: Iterable<string>,
  payload: Payload["Type"],
  { concurrency = 20, stopAfter = Number.POSITIVE_INFINITY }: RunOptions = {},
): Stream.Stream<RunEvent<Success["Type"], Error["Type"]>, never, Sharding.Sharding> => {
  checked("concurrency", concurrency, 1);
  checked("stopAfter", stopAfter, 1);
  return Stream.callback((queue) => {
    const id = randomUUID();
    let failures = 0;
    const one = (host: string) =>
      Effect.gen(function* () {
        if (failures >= stopAfter) return yield* Queue.offer(queue, { _tag: "Skipped", host });
        yield* Queue.offer(queue, { _tag: "Started", host });
        const begun = performance.now();
        const exit = yield* Effect.exit(runOn(program, host, payload, { key: `${id}/${host}` }));
        const duration = performance.now() - begun;
        if (exit._tag === "Success")
          return yield* Queue.offer(queue, { _tag: "Done", host, value: exit.value, duration });
        failures++;
        const error = Cause.squash(exit.cause) as Error["Type"] | HostError;
        return yield* Queue.offer(queue, { _tag: "Failed", host, error, duration });
      });
    return Effect.forEach(new Set(hosts), one, { concurrency, discard: true }).pipe(
      Effect.andThen(Queue.end(queue)),
    );
  });
};
