import { Effect } from "effect";
import { SqlMessageStorage, SqlRunnerStorage } from "effect/cluster";
import { Migrator, SqlClient, SqlError, type Statement } from "effect/sql";
import { WHOLE } from "./rolloutWorkflows.ts";

/** The type of the entities of a workflow, in Effect's storage. */
export const entityType = (workflow: string): string => `Workflow/${workflow}`;

/**
 * Rows of `cluster_messages` that have begun whole rollouts. An index is made with these words: PostgreSQL and SQLite use
 * it for statements that have the same ones.
 */
export const beginsRollout = (sql: SqlClient.SqlClient): Statement.Fragment => {
  const prefix = entityType(WHOLE);
  return sql.onDialectOrElse({
    pg: () => sql.literal(`tag = 'run' AND entity_type LIKE '${prefix}%'`),
    // SQLite has no LIKE in an index. "0" is the character behind "/".
    orElse: () =>
      sql.literal(
        `tag = 'run' AND entity_type >= '${prefix}' AND entity_type < '${prefix.slice(0, -1)}0'`,
      ),
  });
};

const migrations = Migrator.fromRecord({
  "0001_hosts": Effect.gen(function* () {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms();
    yield* sql`
      CREATE TABLE IF NOT EXISTS rsyscall_hosts (
        host TEXT PRIMARY KEY,
        runner TEXT NOT NULL,
        state TEXT NOT NULL,
        since BIGINT NOT NULL,
        detail TEXT,
        programs TEXT NOT NULL
      )`;
    // What a rollout has done is found by its workflows, of which Effect's tables have no index.
    yield* sql`
      CREATE INDEX IF NOT EXISTS rsyscall_entries ON cluster_messages (entity_type, entity_id, tag)`;
    yield* sql`
      CREATE INDEX IF NOT EXISTS rsyscall_rollouts ON cluster_messages (id)
      WHERE ${beginsRollout(sql)}`;
  }),
});

/** The table in which our migrations are noted. */
const MIGRATED = "rsyscall_migrations";

/** All migrations of a database of a cluster, by the tables in which those that were done are noted. */
const LOADERS: Readonly<Record<string, Migrator.Loader>> = {
  [MIGRATED]: migrations as Migrator.Loader,
  cluster_migrations: SqlMessageStorage.migrations(),
  cluster_runner_migrations: SqlRunnerStorage.migrations({}),
};

/** The names of the tables by which a database is known as one of a cluster. */
export const MIGRATION_TABLES: ReadonlyArray<string> = Object.keys(LOADERS);

/**
 * Fails if a newer version than this one has changed the tables: what that has written would be misread.
 *
 * @param exists whether the database has a table of this name
 */
export const refuseNewer = Effect.fnUntraced(function* (
  exists: (table: string) => Effect.Effect<boolean, SqlError.SqlError>,
): Effect.fn.Return<void, SqlError.SqlError, SqlClient.SqlClient> {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms();
  for (const [table, loader] of Object.entries(LOADERS)) {
    if (!(yield* exists(table))) continue;
    const known = yield* Effect.orDie(loader);
    const last = Math.max(...known.map(([id]) => id));
    const rows = yield* sql<{ id: number }>`SELECT MAX(migration_id) AS id FROM ${sql(table)}`;
    const id = Number(rows[0]?.id ?? 0);
    if (id > last)
      return yield* unusable(
        `a newer version has changed it: ${table} has migration ${id}, and this version knows ${last} of them. Use a version that is as new, or another storage`,
      );
  }
});

/** The failure of a storage that could be read, and must not be used. */
export const unusable = (problem: string): SqlError.SqlError => {
  const [message, operation] = ["the storage cannot be used", "check"];
  return new SqlError.SqlError({
    reason: new SqlError.UnknownError({ cause: new Error(problem), message, operation }),
  });
};

/** Makes our table beside those of Effect's cluster, and what we need of those, unless they are there. */
export const migrate: Effect.Effect<void, never, SqlClient.SqlClient> = Migrator.make({})({
  loader: migrations,
  table: MIGRATED,
}).pipe(Effect.orDie, Effect.asVoid);
