import {
  layerClientProtocol,
  layerSocketServer,
} from "@effect/platform-node-shared/NodeClusterSocket";
import { layerDigest } from "@effect/platform-node-shared/NodeCrypto";
import * as PgClient from "@effect/sql-pg/PgClient";
import { Effect, Layer, Option, Redacted } from "effect";
import {
  MessageStorage,
  RunnerAddress,
  RunnerHealth,
  RunnerStorage,
  Runners,
  Sharding,
  ShardingConfig,
  SocketRunner,
  SqlMessageStorage,
  SqlRunnerStorage,
} from "effect/cluster";
import { RpcSerialization } from "effect/rpc";
import type { SqlClient } from "effect/sql";
import { type ClusterError, named } from "./ClusterError.ts";
import { FleetState } from "./FleetState.ts";
import { requireNode } from "./requiredNode.ts";
import * as Sqlite from "./Sqlite.ts";

/** Settings of Effect's cluster: see its `ShardingConfig`. */
export type ClusterSettings = Partial<ShardingConfig.ShardingConfig["Service"]>;

/** What a process needs to own hosts. */
export type Cluster =
  | Sharding.Sharding
  | Runners.Runners
  | MessageStorage.MessageStorage
  | FleetState;

/** One process that keeps nothing: what was not done when it ends is forgotten. */
export const memory = (settings: ClusterSettings = {}): Layer.Layer<Cluster> =>
  Sharding.layer.pipe(
    Layer.provideMerge(Runners.layerNoop),
    Layer.provideMerge(FleetState.layerMemory),
    Layer.provideMerge(MessageStorage.layerMemory),
    Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
    Layer.provide(configured(settings)),
  );

/** Every cluster begins with this. */
const configured = (settings: ClusterSettings) => {
  requireNode();
  return ShardingConfig.layer(settings);
};

/** One process, and a file in which rollouts are kept. The file belongs to this process until it ends. */
export const sqlite = (
  options: { readonly filename: string },
  settings: ClusterSettings = {},
): Layer.Layer<Cluster | SqlClient.SqlClient, ClusterError> =>
  Sharding.layer.pipe(
    Layer.provideMerge(Runners.layerNoop),
    Layer.provideMerge(FleetState.layerSql),
    Layer.provideMerge(Layer.provide(SqlMessageStorage.layer, layerDigest)),
    Layer.provide([SqlRunnerStorage.layer, RunnerHealth.layerNoop]),
    Layer.provide(configured(settings)),
    Layer.provideMerge(Sqlite.layer(options)),
    Layer.tap((services) => Effect.provideContext(Sqlite.awaitSpace, services)),
    named(options.filename, Sqlite.remedy(options.filename)),
  );

/** Where a process of a cluster is reached by the others. */
export interface RunnerPlace {
  /** Default: localhost. */
  readonly host?: string;
  /** The TCP port at which it listens. */
  readonly port: number;
}

/**
 * Any number of processes, on any number of machines, that share a database of PostgreSQL. The hosts of a process that was
 * killed are taken over after `shardLockExpiration`, 35 seconds by default; of one that ends in order, at once.
 */
export const postgres = (
  options: { readonly url: string } & RunnerPlace,
  settings: ClusterSettings = {},
): Layer.Layer<Cluster | SqlClient.SqlClient, ClusterError> => {
  const { host = "localhost", port, url } = options;
  return SocketRunner.layer.pipe(
    Layer.provide([named(`${host}:${port}`)(layerSocketServer), layerClientProtocol]),
    Layer.provide(
      RunnerHealth.layerPing.pipe(
        Layer.provide(Runners.layerRpc),
        Layer.provide(layerClientProtocol),
      ),
    ),
    Layer.provideMerge(FleetState.layerSql),
    Layer.provideMerge(Layer.provide(SqlMessageStorage.layer, layerDigest)),
    Layer.provide(SqlRunnerStorage.layer),
    Layer.provide(
      configured({
        runnerAddress: Option.some(RunnerAddress.make(host, port)),
        ...settings,
      }),
    ),
    Layer.provide(RpcSerialization.layerSchemaBinary()),
    Layer.provideMerge(PgClient.layer({ url: Redacted.make(url) })),
    named(withoutPassword(url)),
  );
};

/** A URL as it may be shown. */
const withoutPassword = (url: string): string => {
  if (!URL.canParse(url)) return "the URL of PostgreSQL";
  const shown = new URL(url);
  if (shown.password !== "") shown.password = "***";
  return shown.href;
};
