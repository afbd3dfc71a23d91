import { Schema } from "effect";
import { DurableDeferred, Workflow } from "effect/workflow";

/** What became of a host in a rollout. */
export const HostOutcome = Schema.Struct({
  host: Schema.String,
  status: Schema.Literals(["done", "failed", "skipped"]),
  /** The step that failed. */
  step: Schema.optionalKey(Schema.String),
  /** The name of its error. */
  error: Schema.optionalKey(Schema.String),
  /** The message of its error. */
  detail: Schema.optionalKey(Schema.String),
  /** Steps that were begun more than once, because a process or a connection ended in the middle. */
  again: Schema.Array(Schema.String),
});
export type HostOutcome = typeof HostOutcome.Type;

/** What became of a rollout, host by host, in the order of its plan. */
export const RolloutOutcome = Schema.Struct({ hosts: Schema.Array(HostOutcome) });
export type RolloutOutcome = typeof RolloutOutcome.Type;

/** The plan of a rollout, as it is stored. */
export const RolloutPlan = Schema.Struct({
  id: Schema.String,
  batches: Schema.Array(Schema.Array(Schema.String)),
  approval: Schema.Boolean,
  failures: Schema.Int,
  concurrency: Schema.Int,
  attempts: Schema.Int,
  input: Schema.Json,
});
export type RolloutPlan = typeof RolloutPlan.Type;

/** What the names of all workflows of whole rollouts begin with. The name of the rollout follows. */
export const WHOLE = "rsyscall/Rollout/";

/** The workflow of a whole rollout. */
export const wholeWorkflow = (name: string) =>
  Workflow.make(`${WHOLE}${name}`, {
    payload: RolloutPlan,
    success: RolloutOutcome,
    idempotencyKey: ({ id }) => id,
  });

/** The workflow of one host of a rollout. */
export const hostWorkflow = (name: string) =>
  Workflow.make(`rsyscall/RolloutHost/${name}`, {
    payload: Schema.Struct({
      id: Schema.String,
      host: Schema.String,
      attempts: Schema.Int,
      input: Schema.Json,
    }),
    success: HostOutcome,
    // Names of hosts may have any separator in them: ssh://user@host.
    idempotencyKey: ({ id, host }) => JSON.stringify([id, host]),
  });

/** The decision whether a batch begins. */
export const approvalOf = (batch: number) =>
  DurableDeferred.make(`approval of batch ${batch}`, { success: Schema.Boolean });

/** The activity in which it is decided whether a host is begun. */
export const admitting = (host: string): string => `admit ${host}`;

/** The activity that notes that a step begins. */
export const beginning = (step: string): string => `begin ${step}`;

/** The activity that performs a step. */
export const performing = (step: string): string => `perform ${step}`;

/** The step of an activity of a host. */
export const stepOf = (activity: string): string => activity.replace(/^\w+ /, "");

/** The id of the workflow of a whole rollout. */
export const wholeExecutionId = (name: string, id: string) =>
  wholeWorkflow(name).executionId({
    id,
    batches: [],
    approval: false,
    failures: 0,
    concurrency: 1,
    attempts: 1,
    input: null,
  });

/** Gives the ids of the workflows of the hosts of a rollout. */
export const hostExecutionIds = (name: string, id: string) => {
  const workflow = hostWorkflow(name);
  return (host: string) => workflow.executionId({ id, host, attempts: 1, input: null });
};
