import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { getpid } from "@rsyscall/near";
import { ThreadChildProcessSpawner, ThreadFileSystem, ThreadPath } from "@rsyscall/platform";
import {
  Cause,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Layer,
  type PlatformError,
  RcRef,
  Schema,
  Scope,
  Semaphore,
} from "effect";
import { Entity } from "effect/cluster";
import { Rpc } from "effect/rpc";
import { HostError, isPassing } from "./HostError.ts";
import { HostStates } from "./HostStates.ts";
import { Hosts, type OpenHost } from "./Hosts.ts";
import { type AnyProgram, Attempt, Host, type HostServices } from "./Program.ts";

/** What a program has come to: its result, or an error of its schema, encoded, and the `again` of its {@link Attempt}. */
const Outcome = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Success"), again: Schema.Boolean, value: Schema.Json }),
  Schema.Struct({ _tag: Schema.Literal("Failure"), again: Schema.Boolean, error: Schema.Json }),
]);
export type Outcome = typeof Outcome.Type;

/**
 * A host, addressed by its name. One process of the cluster owns it at a time.
 *
 * The cluster sends a message again, to the next owner, if the owner dies before it has answered. `Open` may be sent
 * twice. A `Run` may not, because the program may have been performed: so it carries the `incarnation` that `Open` has
 * given, and another incarnation refuses it.
 */
export const HostEntity = Entity.make("rsyscall/Host", [
  Rpc.make("Open", {
    success: Schema.Struct({ incarnation: Schema.String }),
    error: HostError,
  }),
  Rpc.make("Run", {
    payload: {
      incarnation: Schema.String,
      program: Schema.String,
      input: Schema.Json,
      key: Schema.String,
      again: Schema.Boolean,
      /** Whether a run of the same key is joined, and goes on if the caller is gone. */
      joins: Schema.Boolean,
    },
    success: Outcome,
    error: HostError,
  }),
]);

/** Options of the hosts of a process. */
export interface HostOptions {
  /** How long the Thread of a host is kept after its last program. Default 5 minutes. */
  readonly idle?: Duration.Input;
  /** How many programs run on a host at the same time. Default 1. */
  readonly perHost?: number;
}

/** Finished runs that a host remembers, for callers that lost the answer and ask again. */
const REMEMBERED = 256;

/** How long a run that is joined goes on at least without a caller: another process takes its rollout over until then. */
const ADOPTED = Duration.minutes(5);

/** Lets this process own hosts, and run programs on them. */
export const hostLayer = <R>(
  programs: ReadonlyArray<AnyProgram<R>>,
  { idle = "5 minutes", perHost = 1 }: HostOptions = {},
) => {
  const byName = new Map(programs.map((program) => [program.name, program]));
  return HostEntity.toLayer(
    Effect.gen(function* () {
      const { entityId } = yield* Entity.CurrentAddress;
      const name = String(entityId);
      const hosts = yield* Hosts;
      const states = yield* HostStates;
      const entityScope = yield* Effect.scope;
      // One that could not be opened is shown as such for as long as this is there.
      yield* Scope.addFinalizer(entityScope, states.closed(name));
      const outer = yield* Effect.context<R>();
      const permits = yield* Semaphore.make(perHost);
      const incarnation = randomUUID();
      /** Runs that are joined, by key: those that go on, and the last ones that have ended. */
      const joined = new Map<string, Deferred.Deferred<Outcome, HostError>>();

      const acquire = Effect.gen(function* () {
        const opening = hosts.open(name);
        if (opening === undefined)
          return yield* refusal("UnknownHost", "the inventory has no host of this name", false);
        yield* states.opening(name);
        const opened = yield* Effect.mapError(opening, failure("Open", false)).pipe(
          Effect.tapError((error) => states.failed(name, error.detail)),
          Effect.onInterrupt(() => states.closed(name)),
        );
        yield* Scope.addFinalizer(yield* Effect.scope, states.closed(name));
        yield* states.open(name);
        return yield* Effect.mapError(provided(name, opened), failure("Open", false));
      });
      const ref = yield* RcRef.make({ acquire, idleTimeToLive: idle });

      // Two that find it ended must not both give it up: the second one would give up what the first has opened.
      const turn = yield* Semaphore.make(1);

      /**
       * The host for as long as the scope: opened again if its Thread does not answer. A program is begun only on one
       * that does, so that a connection that was cut before is no failure of the program.
       */
      const host = Effect.flatMap(RcRef.get(ref), (kept) =>
        Effect.catch(Effect.as(answers(kept), kept), () =>
          Effect.andThen(RcRef.invalidate(ref), RcRef.get(ref)),
        ),
      ).pipe(turn.withPermits(1));

      function refusal(problem: HostError["problem"], detail: string, mayHaveRun: boolean) {
        return new HostError({ host: name, problem, error: problem, detail, mayHaveRun });
      }

      function failure(problem: HostError["problem"], mayHaveRun: boolean) {
        return (error: unknown) =>
          new HostError({ host: name, problem, ...described(error), mayHaveRun });
      }

      const run = (
        program: AnyProgram<R>,
        input: unknown,
        key: string,
        again: boolean,
      ): Effect.Effect<Outcome, HostError> =>
        Effect.gen(function* () {
          const payload = yield* Schema.decodeUnknownEffect(Schema.toCodecJson(program.payload))(
            input,
          ).pipe(Effect.mapError(failure("Program", false)));
          const services = yield* host;
          yield* states.running(name, program.name, key);
          const exit = yield* Effect.exit(
            Effect.scoped(Effect.suspend(() => program.execute(payload))).pipe(
              Effect.provideContext(
                Context.merge(outer, Context.add(services, Attempt, { key, again })),
              ),
            ) as Effect.Effect<unknown, unknown>,
          );
          if (Exit.isSuccess(exit)) {
            const value = yield* Schema.encodeUnknownEffect(Schema.toCodecJson(program.success))(
              exit.value,
            ).pipe(Effect.mapError(failure("Program", true)));
            return { _tag: "Success", again, value: value as Schema.Json } as const;
          }
          // A program that interrupts itself is one that fails: an interruption of ours would have ended us before this.
          const error = Cause.squash(exit.cause);
          if (Schema.is(program.error)(error)) {
            const encoded = yield* Schema.encodeUnknownEffect(Schema.toCodecJson(program.error))(
              error,
            ).pipe(Effect.mapError(failure("Program", true)));
            return { _tag: "Failure", again, error: encoded as Schema.Json } as const;
          }
          const isCut = Exit.isFailure(yield* Effect.exit(answers(services)));
          if (!isCut) return yield* failure("Program", true)(error);
          const { error: kind, detail } = described(error);
          return yield* new HostError({
            ...{ host: name, problem: "Cut", error: kind, mayHaveRun: true },
            detail: `the connection to the host ended (${detail})`,
          });
        }).pipe(Effect.scoped, permits.withPermits(1)) as Effect.Effect<Outcome, HostError>;

      /** Runs in the scope of the host, once for each key, until it has come to an end that is final. */
      const join = (key: string, effect: Effect.Effect<Outcome, HostError>) =>
        Effect.gen(function* () {
          const known = joined.get(key);
          if (known !== undefined) return yield* Deferred.await(known);
          const result = Deferred.makeUnsafe<Outcome, HostError>();
          joined.set(key, result);
          const attempt = Effect.tapError(effect, (error) =>
            Effect.sync(() => {
              if (isPassing(error)) joined.delete(key);
            }),
          );
          yield* Effect.forkIn(Deferred.into(attempt, result), entityScope);
          for (const [old, deferred] of joined) {
            if (joined.size <= REMEMBERED) break;
            if (Deferred.isDoneUnsafe(deferred)) joined.delete(old);
          }
          return yield* Deferred.await(result);
        });

      return HostEntity.of({
        Open: () => Effect.as(Effect.scoped(host), { incarnation }),
        Run: ({ payload }) => {
          if (payload.incarnation !== incarnation)
            return Effect.fail(
              refusal(
                "Moved",
                "the process that owned the host has ended, or has given it to another",
                true,
              ),
            );
          const program = byName.get(payload.program);
          if (program === undefined)
            return Effect.fail(
              refusal(
                "UnknownProgram",
                `the runner has no program ${JSON.stringify(payload.program)}`,
                false,
              ),
            );
          const effect = run(program, payload.input, payload.key, payload.again);
          return payload.joins ? join(payload.key, effect) : effect;
        },
      });
    }),
    {
      maxIdleTime: Duration.max(Duration.fromInputUnsafe(idle), ADOPTED),
      concurrency: "unbounded",
      disableFatalDefects: true,
    },
  );
};

/** Names and texts of any error. */
const described = (error: unknown): { readonly error: string; readonly detail: string } =>
  error instanceof Error
    ? {
        error: "_tag" in error && typeof error._tag === "string" ? error._tag : error.name,
        detail: error.message,
      }
    : { error: "unknown", detail: typeof error === "object" ? inspect(error) : String(error) };

type OpenServices = Context.Context<Exclude<HostServices, Scope.Scope | Attempt>>;

/** Whether the process on a host still answers: one round trip. */
const answers = (services: OpenServices) => getpid(Context.get(services, Host).thread.task.sysif);

/** The services of programs on a host, for as long as the scope. */
const provided = (name: string, { thread }: OpenHost) =>
  Layer.build(
    Layer.mergeAll(
      ThreadChildProcessSpawner.layer(thread),
      ThreadFileSystem.layer(thread),
      ThreadPath.layer(thread),
      Layer.succeed(Host, { name, thread }),
    ),
  ) as Effect.Effect<OpenServices, PlatformError.PlatformError, Scope.Scope>;
