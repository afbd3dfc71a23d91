import { Layer } from "effect";
import { ClusterWorkflowEngine, type MessageStorage, type Sharding } from "effect/cluster";
import type { WorkflowEngine } from "effect/workflow";
import { type HostOptions, hostLayer } from "./HostEntity.ts";
import type { Hosts } from "./Hosts.ts";
import type { AnyProgram } from "./Program.ts";
import type { Rollout } from "./Rollout.ts";

export { type RunEvent, type RunOnOptions, type RunOptions, run, runOn } from "./run.ts";

/** What a process of a fleet can do. All processes of a cluster have the same. */
export interface FleetOptions<R> extends HostOptions {
  /** The programs that can be run on its hosts. Default: none but the steps of the rollouts. */
  readonly programs?: ReadonlyArray<AnyProgram<R>>;
  /** Their steps are programs as well. */
  // biome-ignore lint/suspicious/noExplicitAny: rollouts of any payload
  readonly rollouts?: ReadonlyArray<Rollout<any, R>>;
}

/**
 * Lets this process own hosts, run programs on them, and perform rollouts. It works as long as its scope; when that
 * closes, its hosts go to the other processes.
 *
 * @example
 * ```ts
 * import { Cluster, Fleet, Host, Hosts, Program } from "@rsyscall/fleet";
 * import { Effect, Layer, Schema, Stream } from "effect";
 *
 * const uptime = Program.make("uptime", { success: Schema.String }, () =>
 *   Effect.gen(function* () {
 *     const { thread } = yield* Host;
 *     return new TextDecoder().decode(yield* thread.slurp("/proc/uptime"));
 *   }),
 * );
 * const fleet = Fleet.layer({ programs: [uptime] }).pipe(
 *   Layer.provide(Hosts.layer({ a: { command: ["env"] }, b: { command: ["env"] } })),
 *   Layer.provideMerge(Cluster.memory()),
 * );
 * const program = Fleet.run(uptime, ["a", "b"], undefined).pipe(
 *   Stream.runForEach((event) => Effect.sync(() => console.log(event))),
 * );
 * await Effect.runPromise(Effect.provide(program, fleet));
 * ```
 */
export const layer = <R = never>({
  programs = [],
  rollouts = [],
  ...options
}: FleetOptions<R>): Layer.Layer<
  WorkflowEngine.WorkflowEngine,
  never,
  R | Hosts | Sharding.Sharding | MessageStorage.MessageStorage
> => {
  const all = new Set([...programs, ...rollouts.flatMap(({ steps }) => steps)]);
  const names = new Set<string>();
  for (const { name } of all) {
    if (names.has(name))
      throw new TypeError(
        `Fleet.layer: two programs have the name ${JSON.stringify(name)}: give one of them another`,
      );
    names.add(name);
  }
  return Layer.mergeAll(
    hostLayer([...all], options),
    ...rollouts.map((rollout) => rollout.layer()),
  ).pipe(Layer.provideMerge(ClusterWorkflowEngine.layer)) as Layer.Layer<
    WorkflowEngine.WorkflowEngine,
    never,
    R | Hosts | Sharding.Sharding | MessageStorage.MessageStorage
  >;
};
