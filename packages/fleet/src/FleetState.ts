import { Context, Effect, Layer, Option } from "effect";
import { type MessageStorage, RunnerStorage, ShardingConfig } from "effect/cluster";
import type { SqlClient } from "effect/sql";
import {
  type HostRegister,
  memoryRegister,
  type RegisteredHost,
  sqlRegister,
} from "./HostRegister.ts";
import { HostStates } from "./HostStates.ts";
import { type Journal, memoryJournal, type StorageError, sqlJournal } from "./Journal.ts";
import {
  type RolloutStatus,
  type RolloutSummary,
  rolloutStates,
  unknown,
} from "./RolloutStatus.ts";
import { wholeExecutionId } from "./rolloutWorkflows.ts";
import { migrate } from "./tables.ts";

/** A process of the cluster. */
export interface RunnerState {
  /** Where the others reach it: `HOST:PORT`. */
  readonly address: string;
  /** Whether the cluster gives it hosts. */
  readonly healthy: boolean;
}

/** A host that a process of the cluster has opened, or tries to. */
export interface HostState extends Omit<RegisteredHost, "state"> {
  /** It is lost if its process has ended, or is out of reach, and no other one has opened it since. */
  readonly state: RegisteredHost["state"] | "lost";
}

/**
 * What the storage of the cluster knows: which processes there are, which hosts they have open and what runs there, and
 * how far the rollouts are. All `Cluster` layers provide it.
 *
 * @example
 * ```ts
 * import { FleetState } from "@rsyscall/fleet";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const state = yield* FleetState;
 *   for (const { host, runner, programs } of yield* state.hosts())
 *     console.log(host, runner, programs.map(({ program }) => program));
 *   for (const { name, id, counts } of yield* state.rollouts())
 *     console.log(`${name} ${id}: ${counts.done} of ${counts.all} are done`);
 * });
 * ```
 */
export class FleetState extends Context.Service<
  FleetState,
  {
    /** The processes of the cluster. */
    readonly runners: () => Effect.Effect<ReadonlyArray<RunnerState>, StorageError>;
    /** The hosts that they have open, or try to open, or could not open a short time ago. */
    readonly hosts: () => Effect.Effect<ReadonlyArray<HostState>, StorageError>;
    /**
     * The newest rollouts of all kinds, the newest first.
     *
     * @param limit default 100
     */
    readonly rollouts: (
      limit?: number,
    ) => Effect.Effect<ReadonlyArray<RolloutSummary>, StorageError>;
    /** A rollout, host by host. */
    readonly rollout: (name: string, id: string) => Effect.Effect<RolloutStatus, StorageError>;
  }
>()("@rsyscall/fleet/FleetState") {
  /** Over the memory of this process. */
  static readonly layerMemory: Layer.Layer<
    FleetState,
    never,
    RunnerStorage.RunnerStorage | ShardingConfig.ShardingConfig | MessageStorage.MemoryDriver
  > = Layer.effectContext(make(memoryJournal, memoryRegister));

  /** Over the database that the processes share, next to Effect's tables. */
  static readonly layerSql: Layer.Layer<
    FleetState,
    never,
    | RunnerStorage.RunnerStorage
    | ShardingConfig.ShardingConfig
    | MessageStorage.MessageStorage
    | SqlClient.SqlClient
  > = Layer.effectContext(Effect.andThen(migrate, make(sqlJournal, sqlRegister)));
}

function make<R1, R2>(
  journalOf: Effect.Effect<Journal, never, R1>,
  registerOf: (runner: string) => Effect.Effect<HostRegister, never, R2>,
) {
  return Effect.gen(function* () {
    const { runnerAddress } = yield* ShardingConfig.ShardingConfig;
    const runnerStorage = yield* RunnerStorage.RunnerStorage;
    const journal = yield* journalOf;
    // A process without an address owns no hosts.
    const register = yield* registerOf(
      Option.match(runnerAddress, {
        onNone: () => "",
        onSome: ({ host, port }) => `${host}:${port}`,
      }),
    );
    const rollouts = rolloutStates(journal);
    const runners = () =>
      Effect.map(
        runnerStorage.getRunners,
        (all): ReadonlyArray<RunnerState> =>
          all.map(([{ address }, healthy]) => ({
            address: `${address.host}:${address.port}`,
            healthy,
          })),
      );
    const state = FleetState.of({
      runners,
      hosts: () =>
        Effect.gen(function* () {
          const alive = new Set(
            (yield* runners()).flatMap(({ address, healthy }) => (healthy ? [address] : [])),
          );
          return (yield* register.all()).map((host) =>
            alive.has(host.runner) ? host : { ...host, state: "lost" as const },
          );
        }),
      rollouts: (limit = 100) => rollouts.list(limit),
      rollout: (name, id) =>
        Effect.gen(function* () {
          const status = yield* rollouts.status(name, yield* wholeExecutionId(name, id));
          return status.state._tag === "Unknown" ? unknown(name, id) : status;
        }),
    });
    return Context.make(FleetState, state).pipe(Context.add(HostStates, register.states));
  });
}
