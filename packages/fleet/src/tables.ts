import { Effect } from "effect";
import { Migrator, SqlClient, type Statement } from "effect/sql";
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

/** Makes our table beside those of Effect's cluster, and what we need of those, unless they are there. */
export const migrate: Effect.Effect<void, never, SqlClient.SqlClient> = Migrator.make({})({
  loader: migrations,
  table: "rsyscall_migrations",
}).pipe(Effect.orDie, Effect.asVoid);
