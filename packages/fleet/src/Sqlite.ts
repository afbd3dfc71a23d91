import { Context, Effect, Layer, Scope, Semaphore, Stream } from "effect";
import { Reactivity } from "effect/reactivity";
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql";

/** What is used of `node:sqlite`. */
interface Database {
  exec(sql: string): void;
  prepare(sql: string): PreparedStatement;
  close(): void;
}
interface PreparedStatement {
  all(...values: ReadonlyArray<unknown>): ReadonlyArray<Record<string, unknown>>;
  setReturnArrays(enabled: boolean): void;
  setReadBigInts(enabled: boolean): void;
}
interface NodeSqlite {
  readonly DatabaseSync: new (path: string, options?: { readonly timeout?: number }) => Database;
}

/** How long a process waits for another one that writes to the same file. */
const BUSY_MS = 5_000;

const make = (options: { readonly filename: string }) =>
  Effect.gen(function* () {
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite") as unknown as NodeSqlite;
    const db = yield* Effect.acquireRelease(
      Effect.sync(() => new DatabaseSync(options.filename, { timeout: BUSY_MS })),
      (database) => Effect.sync(() => database.close()),
    );
    db.exec("PRAGMA journal_mode = WAL");
    const perform = (
      sql: string,
      values: ReadonlyArray<unknown>,
      asArrays: boolean,
    ): Effect.Effect<ReadonlyArray<never>, SqlError.SqlError> =>
      Effect.withFiber((fiber) =>
        Effect.try({
          try: () => {
            const statement = db.prepare(sql);
            if (asArrays) statement.setReturnArrays(true);
            // The ids of the cluster have 64 bits.
            statement.setReadBigInts(Context.get(fiber.context, SqlClient.SafeIntegers));
            return statement.all(...values.map(bindable)) as ReadonlyArray<never>;
          },
          catch: (cause) =>
            new SqlError.SqlError({
              reason: SqlError.classifySqliteError(cause, {
                message: "the statement failed",
                operation: "execute",
              }),
            }),
        }),
      );
    const connection: SqlConnection.Connection = {
      execute: (sql, values, transform) =>
        Effect.map(perform(sql, values, false), (rows) => transform?.(rows) ?? rows),
      executeRaw: (sql, values) => perform(sql, values, false),
      executeValues: (sql, values) => perform(sql, values, true),
      executeValuesUnprepared: (sql, values) => perform(sql, values, true),
      executeUnprepared: (sql, values, transform) =>
        Effect.map(perform(sql, values, false), (rows) => transform?.(rows) ?? rows),
      executeStream: (sql, values) =>
        Stream.unwrap(Effect.map(perform(sql, values, false), Stream.fromIterable)),
    };
    // One connection: a transaction has it for itself.
    const turn = yield* Semaphore.make(1);
    const acquirer = turn.withPermits(1)(Effect.succeed(connection));
    const transactionAcquirer = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const scope = yield* Effect.scope;
        yield* restore(turn.take(1));
        yield* Scope.addFinalizer(scope, turn.release(1));
        return connection;
      }),
    );
    return yield* SqlClient.make({
      driver: "node-sqlite",
      acquirer,
      transactionAcquirer,
      compiler: Statement.makeCompilerSqlite(),
      beginTransaction: "BEGIN IMMEDIATE",
      spanAttributes: [["db.system.name", "sqlite"]],
    });
  });

/** SQLite has no booleans. */
const bindable = (value: unknown): unknown => (typeof value === "boolean" ? Number(value) : value);

/**
 * Effect's SqlClient over the SQLite of Node. Effect's own driver for it was not in the registry for Effect 4.1 when this
 * was written; any other SqlClient does as well.
 */
export const layer = (options: { readonly filename: string }): Layer.Layer<SqlClient.SqlClient> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer));
