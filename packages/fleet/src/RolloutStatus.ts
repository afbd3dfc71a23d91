import { Effect, Option, Schema } from "effect";
import { Snowflake } from "effect/cluster";
import type { Journal, JournalEntry, StorageError } from "./Journal.ts";
import {
  admitting,
  approvalOf,
  HostOutcome,
  hostExecutionIds,
  hostWorkflow,
  RolloutOutcome,
  RolloutPlan,
  stepOf,
  wholeWorkflow,
} from "./rolloutWorkflows.ts";

/** What state a rollout is in. */
export type RolloutState =
  /** The storage of the cluster has none of this id. */
  | { readonly _tag: "Unknown" }
  /** It works on this batch: 0 is the first one. */
  | { readonly _tag: "Running"; readonly batch: number }
  /** `approve(id, batch)` lets it go on, `reject(id, batch)` ends it. */
  | { readonly _tag: "WaitsForApproval"; readonly batch: number }
  /** `problem` says why, if it did not come to its own end: its payload could not be read, for example. */
  | { readonly _tag: "Ended"; readonly problem?: string };

/** What state a host is in, in a rollout. */
export interface HostStatus {
  /** Its name. */
  readonly host: string;
  /** Pending: not begun. Skipped: not begun, and never will be. */
  readonly status: "pending" | "running" | "done" | "failed" | "skipped";
  /** The step that runs, or has failed. */
  readonly step?: string;
  /** The name of the error of the step. */
  readonly error?: string;
  /** The message of the error of the step. */
  readonly detail?: string;
}

/** How many hosts of a rollout are in which state. */
export type RolloutCounts = Readonly<Record<HostStatus["status"] | "all", number>>;

/** How far a rollout is. */
export interface RolloutSummary {
  readonly name: string;
  /** As it was started. */
  readonly id: string;
  /** Whether it runs, waits, or has ended. */
  readonly state: RolloutState;
  /** Its hosts, by their states. */
  readonly counts: RolloutCounts;
  /** When it was started, in milliseconds since 1970; 0 for an unknown one. */
  readonly began: number;
  /** When it ended. */
  readonly ended?: number;
}

/** How far a rollout is, host by host. */
export interface RolloutStatus extends RolloutSummary {
  /** In the order of the plan. */
  readonly batches: ReadonlyArray<ReadonlyArray<HostStatus>>;
}

/** The states of rollouts, as the journal of the cluster tells them. */
export interface RolloutStates {
  readonly status: (
    name: string,
    executionId: string,
  ) => Effect.Effect<RolloutStatus, StorageError>;
  /** The newest rollouts, the newest first. */
  readonly list: (limit: number) => Effect.Effect<ReadonlyArray<RolloutSummary>, StorageError>;
}

/** Rollouts of which is kept what does not change any more. */
const KEPT = 200;

/** What is known of a rollout for good, so that it is read once. */
interface Known {
  readonly ids: ReadonlyMap<string, string>;
  readonly final: Map<string, HostStatus>;
}

/** States of rollouts, over a journal. */
export const rolloutStates = (journal: Journal): RolloutStates => {
  const known = new Map<string, Known>();
  /** Those that have ended. */
  const ended = new Map<string, RolloutSummary>();

  const knownOf = (name: string, executionId: string, { id, batches }: RolloutPlan) =>
    Effect.gen(function* () {
      const before = known.get(executionId);
      if (before !== undefined) return before;
      const idOf = hostExecutionIds(name, id);
      const ids = new Map<string, string>();
      for (const host of batches.flat()) ids.set(host, yield* idOf(host));
      const made: Known = { ids, final: new Map() };
      keep(known, executionId, made);
      return made;
    });

  /** What has become of the hosts of a batch: those that are not in the result are not begun. */
  const hostsOf = (name: string, hosts: ReadonlyArray<string>, { ids, final }: Known) =>
    Effect.gen(function* () {
      const workflow = hostWorkflow(name)._tag;
      const open = hosts.filter((host) => !final.has(host));
      const hostOf = new Map(open.map((host) => [ids.get(host) as string, host]));
      const runs = yield* journal.entries(workflow, [...hostOf.keys()], "run");
      const running = new Map<string, string>();
      for (const entry of runs) {
        const host = hostOf.get(entry.executionId) as string;
        const result = completed(HostOutcome, entry);
        if (result === undefined) running.set(entry.executionId, host);
        else if (result._tag === "Success") final.set(host, statusOf(result.value));
        else final.set(host, { host, status: "failed", error: "defect", detail: result.problem });
      }
      const steps = new Map<string, string>();
      for (const { executionId, payload } of yield* journal.entries(
        workflow,
        [...running.keys()],
        "activity",
      ))
        steps.set(executionId, stepOf(nameOf(payload)));
      return new Map(
        [...running].map(([executionId, host]): [string, HostStatus] => {
          const step = steps.get(executionId);
          return [host, { host, status: "running", ...(step === undefined ? {} : { step }) }];
        }),
      );
    });

  const status: RolloutStates["status"] = (name, executionId) =>
    Effect.gen(function* () {
      const workflow = wholeWorkflow(name)._tag;
      const [run] = yield* journal.entries(workflow, [executionId], "run");
      const plan = run && decoded(RolloutPlan, run.payload);
      if (run === undefined || plan === undefined) return unknown(name, executionId);
      const result = completed(RolloutOutcome, run);
      const summary = {
        name,
        id: plan.id,
        began: timeOf(run.messageId),
        ...(result === undefined ? {} : { ended: timeOf(run.replyId as bigint) }),
      };
      const finished = (state: RolloutState, batches: RolloutStatus["batches"]): RolloutStatus => {
        const whole = { ...summary, state, counts: countsOf(batches), batches };
        if (state._tag === "Ended") {
          known.delete(executionId);
          const { batches: _, ...rest } = whole;
          keep(ended, executionId, rest);
        }
        return whole;
      };

      if (result?._tag === "Success") {
        const byHost = new Map(result.value.hosts.map((outcome) => [outcome.host, outcome]));
        return finished(
          { _tag: "Ended" },
          plan.batches.map((hosts) =>
            hosts.map((host) => {
              const outcome = byHost.get(host);
              return outcome === undefined ? pending(host) : statusOf(outcome);
            }),
          ),
        );
      }

      const about = yield* knownOf(name, executionId, plan);
      const decisions = new Map<string, boolean>();
      for (const { payload } of yield* journal.entries(workflow, [executionId], "deferred")) {
        const decision = decoded(Decision, payload);
        if (decision !== undefined) decisions.set(decision.name, decision.exit.value);
      }
      const batches: Array<ReadonlyArray<HostStatus>> = [];
      let failed = 0;
      let isRejected = false;
      let refused: ReadonlySet<string> | undefined;
      let state: RolloutState | undefined;
      for (const [batch, hosts] of plan.batches.entries()) {
        if (state !== undefined) {
          batches.push(hosts.map(pending));
          continue;
        }
        const running = yield* hostsOf(name, hosts, about);
        const decision = decisions.get(approvalOf(batch).name);
        const asks = plan.approval && batch > 0 && !isRejected && failed <= plan.failures;
        if (asks && decision === false) isRejected = true;
        for (const host of hosts) if (about.final.get(host)?.status === "failed") failed++;
        if (isRejected || failed > plan.failures) {
          // Only then are there hosts that were refused.
          refused ??= yield* refusedOf(workflow, executionId);
          for (const host of hosts)
            if (refused.has(host) && !about.final.has(host))
              about.final.set(host, { host, status: "skipped" });
        }
        const statuses = hosts.map(
          (host) => about.final.get(host) ?? running.get(host) ?? pending(host),
        );
        batches.push(statuses);
        const isBegun = statuses.some(({ status }) => status !== "pending");
        if (asks && decision === undefined && !isBegun) state = { _tag: "WaitsForApproval", batch };
        else if (statuses.some(({ status }) => status === "pending" || status === "running"))
          state = { _tag: "Running", batch };
      }
      if (result !== undefined)
        return finished({ _tag: "Ended", problem: result.problem }, batches);
      // All hosts are at their end, and the rollout is about to be.
      return finished(state ?? { _tag: "Running", batch: plan.batches.length - 1 }, batches);
    });

  /** Hosts that were not begun, because of failures or a rejection. */
  const refusedOf = (workflow: string, executionId: string) =>
    Effect.map(
      journal.entries(workflow, [executionId], "activity"),
      (entries): ReadonlySet<string> => {
        const prefix = admitting("");
        return new Set(
          entries.flatMap((entry) => {
            const result = completed(Schema.Boolean, entry);
            const name = nameOf(entry.payload);
            return result?._tag === "Success" && !result.value && name.startsWith(prefix)
              ? [name.slice(prefix.length)]
              : [];
          }),
        );
      },
    );

  return {
    status,
    list: (limit) =>
      Effect.flatMap(journal.rollouts(limit), (executions) =>
        Effect.forEach(executions, ({ name, executionId }) => {
          const over = ended.get(executionId);
          if (over !== undefined) return Effect.succeed(over);
          return Effect.map(status(name, executionId), (whole) => {
            const { batches: _, ...summary } = whole;
            return summary;
          });
        }),
      ),
  };
};

/** The state of a rollout that is not there. */
export const unknown = (name: string, id: string): RolloutStatus => ({
  name,
  id,
  state: { _tag: "Unknown" },
  counts: countsOf([]),
  began: 0,
  batches: [],
});

const pending = (host: string): HostStatus => ({ host, status: "pending" });

const statusOf = ({ again: _, ...status }: HostOutcome): HostStatus => status;

const countsOf = (batches: RolloutStatus["batches"]): RolloutCounts => {
  const counts = { all: 0, pending: 0, running: 0, done: 0, failed: 0, skipped: 0 };
  for (const batch of batches)
    for (const { status } of batch) {
      counts[status]++;
      counts.all++;
    }
  return counts;
};

/** Keeps what was used last. */
const keep = <A>(map: Map<string, A>, key: string, value: A): void => {
  map.delete(key);
  map.set(key, value);
  if (map.size > KEPT) for (const oldest of map.keys()) return void map.delete(oldest);
};

/** Effect's ids have their time in them. */
const timeOf = (id: bigint): number => Snowflake.timestamp(Snowflake.Snowflake(id));

const Decision = Schema.Struct({
  name: Schema.String,
  exit: Schema.Struct({ _tag: Schema.Literal("Success"), value: Schema.Boolean }),
});

const Named = Schema.Struct({ name: Schema.String });

const nameOf = (payload: unknown): string => decoded(Named, payload)?.name ?? "";

/** Undefined for what another version has stored. */
const decoded = <A, I>(schema: Schema.Codec<A, I>, value: unknown): A | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(schema)(value));

/** How Effect's workflow engine stores what a workflow or an activity has come to; "Suspended" is no result. */
const Complete = Schema.Struct({
  _tag: Schema.Literal("Success"),
  value: Schema.Struct({ _tag: Schema.Literal("Complete"), exit: Schema.Unknown }),
});
const Suspended = Schema.Struct({
  _tag: Schema.Literal("Success"),
  value: Schema.Struct({ _tag: Schema.Literal("Suspended") }),
});
const Failed = Schema.Struct({
  _tag: Schema.Literal("Failure"),
  cause: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)),
});

type Completed<A> =
  | { readonly _tag: "Success"; readonly value: A }
  | { readonly _tag: "Failure"; readonly problem: string };

/** The result of a workflow or an activity; undefined if there is none yet. */
const completed = <A, I>(
  schema: Schema.Codec<A, I>,
  { exit }: JournalEntry,
): Completed<A> | undefined => {
  if (exit === undefined || decoded(Suspended, exit) !== undefined) return undefined;
  const inner = decoded(Complete, exit)?.value.exit ?? exit;
  const success = decoded(Schema.Struct({ _tag: Schema.Literal("Success"), value: schema }), inner);
  if (success !== undefined) return { _tag: "Success", value: success.value };
  const reasons = decoded(Failed, inner)?.cause ?? [];
  const problems = reasons.map((reason) => {
    const defect = reason["defect"] ?? reason["error"];
    return decoded(Schema.Struct({ message: Schema.String }), defect)?.message ?? String(defect);
  });
  return { _tag: "Failure", problem: problems.join("; ") || "its result cannot be read" };
};
