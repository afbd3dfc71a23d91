import { randomUUID } from "node:crypto";
import { Cause, Effect, Queue, Schema, Stream } from "effect";
import type { Sharding } from "effect/cluster";
import { HostEntity } from "./HostEntity.ts";
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
  { key = randomUUID(), again = false, joins = false }: RunOnOptions = {},
): Effect.Effect<Success["Type"], Error["Type"] | HostError, Sharding.Sharding> =>
  Effect.gen(function* () {
    const failed = (mayHaveRun: boolean) => (error: { readonly _tag: string; message: string }) =>
      error._tag === "HostError"
        ? (error as HostError)
        : new HostError({
            host,
            problem: mayHaveRun ? "Moved" : "Open",
            error: error._tag,
            detail: error.message || "no process of the cluster owns the host",
            mayHaveRun,
          });
    const input = (yield* Schema.encodeUnknownEffect(Schema.toCodecJson(program.payload))(
      payload,
    ).pipe(Effect.orDie)) as Schema.Json;
    const client = (yield* HostEntity.client)(host);
    const { incarnation } = yield* Effect.mapError(client.Open(), failed(false));
    const outcome = yield* Effect.mapError(
      client.Run({ incarnation, program: program.name, input, key, again, joins }),
      failed(true),
    );
    if (outcome._tag === "Success")
      return yield* Schema.decodeUnknownEffect(Schema.toCodecJson(program.success))(
        outcome.value,
      ).pipe(Effect.orDie);
    return yield* Effect.flatMap(
      Effect.orDie(Schema.decodeUnknownEffect(Schema.toCodecJson(program.error))(outcome.error)),
      Effect.fail,
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
): Stream.Stream<RunEvent<Success["Type"], Error["Type"]>, never, Sharding.Sharding> =>
  Stream.callback((queue) => {
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
        if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt;
        failures++;
        const error = Cause.squash(exit.cause) as Error["Type"] | HostError;
        return yield* Queue.offer(queue, { _tag: "Failed", host, error, duration });
      });
    return Effect.forEach(new Set(hosts), one, { concurrency, discard: true }).pipe(
      Effect.andThen(Queue.end(queue)),
    );
  });
