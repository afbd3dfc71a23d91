import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { fsDecode } from "@rsyscall/abi";
import { Cause, Context, Effect, Exit, Layer, Option, Schema } from "effect";
import type { Sharding } from "effect/cluster";
import { Activity, DurableDeferred, WorkflowEngine } from "effect/workflow";
import { checked } from "./checked.ts";
import { CommandError } from "./command.ts";
import { FleetState } from "./FleetState.ts";
import { HostError, isPassing } from "./HostError.ts";
import type { StorageError } from "./Journal.ts";
import type { AnyProgram, Plain } from "./Program.ts";
import { RolloutError } from "./RolloutError.ts";
import type { RolloutStatus } from "./RolloutStatus.ts";
import {
  admitting,
  approvalOf,
  beginning,
  type HostOutcome,
  hostWorkflow,
  performing,
  type RolloutOutcome,
  type RolloutPlan,
  wholeExecutionId,
  wholeWorkflow,
} from "./rolloutWorkflows.ts";
import { outcomeOn, resultOf } from "./run.ts";

/** How a rollout goes. */
export interface RolloutOptions {
  /**
   * The sizes of the batches, in hosts; the last one is repeated. `[1, 10]` is one host, then ten, then ten ... Default:
   * all in one.
   */
  readonly batches?: ReadonlyArray<number>;
  /** Whether each batch but the first waits for `approve`. Default false. */
  readonly approval?: boolean;
  /** How many hosts may fail before no other host is begun. Default 0. */
  readonly failures?: number;
  /** How many hosts at a time. Default 20. */
  readonly concurrency?: number;
  /**
   * How often a step is begun on a host at most, if the host cannot be opened, or the connection or the process that
   * owns the host ends in the middle. The errors of a program are final. Default 3.
   */
  readonly attempts?: number;
}

/** The longest text of an error that is stored. */
const DETAIL = 4096;

/**
 * A durable series of steps on each of many hosts, in batches. It goes on after the process that ran it was killed,
 * on another one of the cluster or when the next one starts.
 *
 * A step whose end was recorded is never begun again. A step that was begun, and of whose end nothing is known, is begun
 * again: {@link Attempt} tells the program so, and `again` of the outcome names it. {@link once} makes a step that
 * must not be done twice.
 *
 * @example
 * ```ts
 * import { Program, Rollout } from "@rsyscall/fleet";
 * import { Effect, Schema } from "effect";
 *
 * const Version = Schema.Struct({ version: Schema.String });
 * const install = Program.make("install", { payload: Version }, ({ version }) => Effect.log(version));
 * const check = Program.make("check", { payload: Version }, () => Effect.void);
 *
 * const upgrade = Rollout.make("upgrade", { payload: Version, steps: [install, check] });
 *
 * const program = Effect.gen(function* () {
 *   const id = "2026-11-30";
 *   yield* upgrade.start(id, ["web1", "web2", "web3"], { version: "1.2" }, { batches: [1, 10], approval: true });
 *   yield* upgrade.approve(id, 1);
 *   return yield* upgrade.outcome(id);
 * });
 * ```
 */
export class Rollout<Payload extends Plain, R> {
  readonly name: string;
  /** The programs that are run on each host, in this order. */
  readonly steps: ReadonlyArray<AnyProgram<R>>;
  readonly #payload: Payload;
  readonly #whole;
  readonly #host;

  private constructor(name: string, payload: Payload, steps: ReadonlyArray<AnyProgram<R>>) {
    this.name = name;
    this.steps = steps;
    this.#payload = payload;
    this.#whole = wholeWorkflow(name);
    this.#host = hostWorkflow(name);
  }

  /**
   * Makes a rollout.
   *
   * @param steps programs that are run one after the other on each host; all get the payload
   */
  static make<Payload extends Plain, R>(
    name: string,
    { payload, steps }: { readonly payload: Payload; readonly steps: ReadonlyArray<AnyProgram<R>> },
  ): Rollout<Payload, R> {
    const names = new Set(steps.map((step) => step.name));
    if (names.size !== steps.length || steps.length === 0)
      throw new TypeError(`Rollout ${name}: it needs steps, with a name of its own for each`);
    return new Rollout(name, payload, steps);
  }

  /** Lets this process perform rollouts of this kind. */
  layer(): Layer.Layer<never, never, WorkflowEngine.WorkflowEngine | Sharding.Sharding> {
    return Layer.mergeAll(
      this.#host.toLayer((plan) => this.#performHost(plan)),
      this.#whole.toLayer((plan) => this.#perform(plan)),
    );
  }

  /**
   * Starts a rollout and does not wait for it. One that was started under the same id before goes on as it was planned.
   * A process of the cluster performs it that has this kind of rollouts in its `Fleet.layer({ rollouts })`: this one, if
   * there is no other.
   *
   * @param id names the rollout, for as long as the storage keeps it
   */
  start(
    id: string,
    hosts: Iterable<string>,
    payload: Payload["Type"],
    {
      batches = [Number.POSITIVE_INFINITY],
      approval = false,
      failures = 0,
      concurrency = 20,
      attempts = 3,
    }: RolloutOptions = {},
  ): Effect.Effect<void, never, WorkflowEngine.WorkflowEngine> {
    const plan = {
      id,
      batches: inBatches([...new Set(hosts)], batches),
      approval,
      failures: stored("failures", failures, 0),
      concurrency: stored("concurrency", concurrency, 1),
      attempts: stored("attempts", attempts, 1),
    };
    return Effect.gen({ self: this }, function* () {
      const input = (yield* Schema.encodeUnknownEffect(Schema.toCodecJson(this.#payload))(
        payload,
      ).pipe(Effect.orDie)) as Schema.Json;
      yield* this.#whole.execute({ ...plan, input }, { discard: true });
    });
  }

  /** Lets a batch begin that waits for it, or will: 1 is the second one. */
  approve(
    id: string,
    batch: number,
  ): Effect.Effect<void, RolloutError | StorageError, FleetState | WorkflowEngine.WorkflowEngine> {
    return this.#decide(id, batch, true);
  }

  /** Ends a rollout instead of a batch that waits for approval, or will. Its hosts, and all later ones, are skipped. */
  reject(
    id: string,
    batch: number,
  ): Effect.Effect<void, RolloutError | StorageError, FleetState | WorkflowEngine.WorkflowEngine> {
    return this.#decide(id, batch, false);
  }

  /** Waits for the end of a rollout. */
  outcome(
    id: string,
  ): Effect.Effect<
    RolloutOutcome,
    RolloutError | StorageError,
    FleetState | WorkflowEngine.WorkflowEngine
  > {
    return Effect.flatMap(Effect.andThen(this.#known(id), this.executionId(id)), (executionId) => {
      const ended = Effect.map(this.#whole.poll(executionId), (result) =>
        Option.flatMap(result, (known) =>
          known._tag === "Complete" ? Option.some(known.exit) : Option.none(),
        ),
      );
      return Effect.gen(function* () {
        while (true) {
          const exit = yield* ended;
          if (Option.isSome(exit)) return yield* exit.value;
          yield* Effect.sleep("100 millis");
        }
      });
    });
  }

  /** How far a rollout is, host by host. */
  status(id: string): Effect.Effect<RolloutStatus, StorageError, FleetState> {
    return Effect.flatMap(FleetState, (state) => state.rollout(this.name, id));
  }

  /** The id of the workflow of a rollout, in Effect's storage. */
  executionId(id: string): Effect.Effect<string> {
    return wholeExecutionId(this.name, id);
  }

  /** The status of a rollout that was started. */
  #known(id: string): Effect.Effect<RolloutStatus, RolloutError | StorageError, FleetState> {
    return Effect.flatMap(this.status(id), (status) =>
      status.state._tag === "Unknown"
        ? Effect.fail(
            new RolloutError({
              ...{ rollout: this.name, id },
              problem: "none of this id was started: start it first, with the same storage",
            }),
          )
        : Effect.succeed(status),
    );
  }

  #decide(id: string, batch: number, value: boolean) {
    return Effect.gen({ self: this }, function* () {
      const last = (yield* this.#known(id)).batches.length - 1;
      if (!(Number.isInteger(batch) && batch >= 1 && batch <= last))
        return yield* new RolloutError({
          ...{ rollout: this.name, id },
          problem: `batch ${batch} waits for no approval: ${last < 1 ? "it has one batch, which needs none" : `those that do are 1 to ${last}`}`,
        });
      const executionId = yield* this.executionId(id);
      const deferred = approvalOf(batch);
      const token = DurableDeferred.tokenFromExecutionId(deferred, {
        workflow: this.#whole,
        executionId,
      });
      yield* DurableDeferred.succeed(deferred, { token, value });
    });
  }

  #perform({ id, batches, approval, failures, concurrency, attempts, input }: RolloutPlan) {
    return Effect.gen({ self: this }, function* () {
      const outcomes: Array<HostOutcome> = [];
      let failed = 0;
      let goesOn = true;
      for (const [index, batch] of batches.entries()) {
        if (approval && index > 0 && goesOn && failed <= failures)
          goesOn = yield* DurableDeferred.await(approvalOf(index));
        const one = (host: string) =>
          Effect.gen({ self: this }, function* () {
            // A decision is stored: another process that goes on must not decide otherwise.
            const admitted = yield* Activity.make({
              name: admitting(host),
              success: Schema.Boolean,
              execute: Effect.sync(() => goesOn && failed <= failures),
            });
            if (!admitted) return { host, status: "skipped", again: [] } as const;
            // Asked as from outside. A child of a workflow sends it a message when it has ended, and the wait for what
            // becomes of that cannot be interrupted: if the storage fails just then, this process would never own the
            // rollout again.
            const outcome = yield* Effect.updateContext(
              this.#host.execute({ id, host, attempts, input }),
              (context: Context.Context<WorkflowEngine.WorkflowEngine>) =>
                Context.omit(WorkflowEngine.WorkflowInstance)(context),
            );
            if (outcome.status === "failed") failed++;
            return outcome;
          });
        outcomes.push(...(yield* Effect.forEach(batch, one, { concurrency })));
      }
      return { hosts: outcomes };
    });
  }

  #performHost(plan: {
    readonly id: string;
    readonly host: string;
    readonly attempts: number;
    readonly input: Schema.Json;
  }) {
    const { id, host, attempts, input } = plan;
    return Effect.gen({ self: this }, function* () {
      const payload = yield* Effect.orDie(
        Schema.decodeUnknownEffect(Schema.toCodecJson(this.#payload))(input),
      );
      const again: Array<string> = [];
      for (const step of this.steps) {
        const me = randomUUID();
        let isMine = false;
        const first = yield* Activity.make({
          name: beginning(step.name),
          success: Schema.String,
          execute: Effect.sync(() => {
            isMine = true;
            return me;
          }),
        });
        // Another process has taken the rollout over meanwhile, and its record counts: this one will be interrupted.
        if (isMine && first !== me) return yield* Effect.never;
        const result = yield* Activity.make({
          name: performing(step.name),
          success: StepOutcome,
          execute: Effect.suspend(() =>
            performStep(step, host, payload, `${id}/${host}/${step.name}`, attempts, !isMine),
          ),
        });
        if (result.again) again.push(step.name);
        if (result.failure !== undefined)
          return { host, status: "failed", step: step.name, ...result.failure, again } as const;
      }
      return { host, status: "done", again } as const;
    });
  }
}

const StepOutcome = Schema.Struct({
  again: Schema.Boolean,
  failure: Schema.optionalKey(Schema.Struct({ error: Schema.String, detail: Schema.String })),
});

/** Begins a step on a host, until it has come to an end, or too often. */
const performStep = <R>(
  step: AnyProgram<R>,
  host: string,
  payload: unknown,
  key: string,
  attempts: number,
  begun: boolean,
): Effect.Effect<typeof StepOutcome.Type, never, Sharding.Sharding> =>
  Effect.gen(function* () {
    let again = begun;
    let attempt = 1;
    while (true) {
      const exit = yield* Effect.exit(outcomeOn(step, host, payload, { key, again, joins: true }));
      if (Exit.isSuccess(exit)) {
        const result = yield* Effect.exit(resultOf(step, exit.value));
        return { again: exit.value.again, ...failureOf(result) };
      }
      const error = Cause.squash(exit.cause);
      if (!(error instanceof HostError && isPassing(error)) || attempt >= attempts)
        return { again, ...failureOf(exit) };
      again ||= error.mayHaveRun;
      yield* Effect.sleep(`${attempt} seconds`);
      // Nothing was tried on a host that was given to another process before that.
      if (error.problem !== "Moved" || error.mayHaveRun) attempt++;
    }
  });

/** How a failure is stored. */
const failureOf = (exit: Exit.Exit<unknown, unknown>): Pick<typeof StepOutcome.Type, "failure"> => {
  if (Exit.isSuccess(exit)) return {};
  const failed = Cause.squash(exit.cause);
  const { name = "unknown", message = inspect(failed) } = failed as Partial<Error>;
  const error = failed instanceof HostError ? failed.error : name;
  const said =
    failed instanceof CommandError ? fsDecode(failed.stderr.subarray(-DETAIL)).trim() : "";
  const detail = said === "" ? message : `${message}: ${said}`;
  return { failure: { error, detail: detail.slice(0, DETAIL) } };
};

/** A number of a plan: JSON has no infinity. */
const stored = (name: string, value: number, least: number): number =>
  Math.min(checked(name, value, least), Number.MAX_SAFE_INTEGER);

/** Divides hosts into batches of these sizes, of which the last one is repeated. */
const inBatches = (
  hosts: ReadonlyArray<string>,
  sizes: ReadonlyArray<number>,
): ReadonlyArray<ReadonlyArray<string>> => {
  if (sizes.length === 0) throw new RangeError("batches has no sizes: [1, 10] is 1, 10, 10 ...");
  for (const size of sizes) checked("a size in batches", size, 1);
  const batches: Array<ReadonlyArray<string>> = [];
  for (let from = 0, index = 0; from < hosts.length; index++) {
    const size = sizes[Math.min(index, sizes.length - 1)] as number;
    batches.push(hosts.slice(from, from + size));
    from += size;
  }
  return batches;
};
