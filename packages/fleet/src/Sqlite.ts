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
interface SqliteError extends Error {
  /** See <https://www.sqlite.org/rescode.html>: the lower 8 bits are the primary code. */
  readonly errcode?: number;
}
interface NodeSqlite {
  readonly DatabaseSync: new (path: string, options?: { readonly timeout?: number }) => Database;
}

/** How long an opening waits for another process that is about to end. */
const BUSY_MS = 1_000;

/** An error of `node:sqlite`, with the code of SQLite where Effect looks for it. */
const sqlError = (cause: unknown, operation: string) =>
  new SqlError.SqlError({
    reason: SqlError.classifySqliteError(
      Object.assign(cause as object, { errno: (cause as SqliteError).errcode }),
      { message: `SQLite cannot ${operation}`, operation },
    ),
  });

const attempt = <A>(operation: string, perform: () => A) =>
  Effect.try({ try: perform, catch: (cause) => sqlError(cause, operation) });

const make = (options: { readonly filename: string }) =>
  Effect.gen(function* () {
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite") as unknown as NodeSqlite;
    const db = yield* Effect.acquireRelease(
      attempt("open", () => new DatabaseSync(options.filename, { timeout: BUSY_MS })),
      (database) => Effect.sync(() => database.close()),
    );
    // Two processes that have the same file would own the same hosts. The kernel releases the lock when this one ends.
    yield* attempt("lock", () => {
      db.exec("PRAGMA locking_mode = EXCLUSIVE");
      db.exec("PRAGMA journal_mode = WAL");
      db.exec("BEGIN EXCLUSIVE; COMMIT");
    });
    const perform = (
      sql: string,
      values: ReadonlyArray<unknown>,
      asArrays: boolean,
    ): Effect.Effect<ReadonlyArray<never>, SqlError.SqlError> =>
      Effect.withFiber((fiber) =>
        attempt("execute", () => {
          const statement = db.prepare(sql);
          if (asArrays) statement.setReturnArrays(true);
          // The ids of the cluster have 64 bits.
          statement.setReadBigInts(Context.get(fiber.context, SqlClient.SafeIntegers));
          return statement.all(...values.map(bindable)) as ReadonlyArray<never>;
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

/** What can be done, by the primary code of SQLite. */
const REMEDIES: Readonly<Record<number, string>> = {
  /** SQLITE_BUSY */
  5: "another process has it. Only one at a time can use a file; many share a database of PostgreSQL",
  /** SQLITE_READONLY */
  8: "this user may not write to it",
  /** SQLITE_CORRUPT */
  11: "it is damaged. Without it, a rollout that is begun again does not know what is done already",
  /** SQLITE_FULL */
  13: "its disk is full",
  /** SQLITE_CANTOPEN */
  14: "its directory must be there, and this user must be able to write to both",
  /** SQLITE_NOTADB */
  26: "the file is of another kind, or damaged",
};

/**
 * Effect's SqlClient over the SQLite of Node. The file belongs to one process at a time. Effect's own driver for it was
 * not in the registry for Effect 4.1 when this was written; any other SqlClient does as well.
 */
export const layer = (options: {
  readonly filename: string;
}): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer));

/** What can be done about an error of a file. */
export const remedy = (error: unknown): string | undefined =>
  REMEDIES[((error as SqliteError).errcode ?? 0) & 0xff];
