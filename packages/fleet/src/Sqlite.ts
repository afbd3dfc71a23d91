import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { printable } from "@rsyscall/near";
import { Context, Effect, Exit, Layer, Semaphore, Stream } from "effect";
import { Reactivity } from "effect/reactivity";
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql";
import { deepest } from "./ClusterError.ts";
import { MIGRATION_TABLES, refuseNewer, unusable } from "./tables.ts";

/** What is used of `node:sqlite`. */
interface Database {
  exec(sql: string): void;
  prepare(sql: string): PreparedStatement;
  close(): void;
  readonly isTransaction: boolean;
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

/** How often a statement is tried again for which the disk had no space. */
const FULL = "500 millis";

/** The `application_id` of our files, "rsys": <https://www.sqlite.org/pragma.html#pragma_application_id>. */
const APPLICATION = 0x72737973;

/** SQLITE_FULL */
const SQLITE_FULL = 13;

/** The primary code of an error of SQLite, which may be beneath others; 0 if it is none. */
const codeOf = (error: unknown): number => ((deepest(error) as SqliteError).errcode ?? 0) & 0xff;

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
    const first = (sql: string) => Object.values(db.prepare(sql).all()[0] ?? {})[0];
    const isThere = (table: string) =>
      db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").all(table)
        .length > 0;
    const problem = yield* attempt("read", () => {
      // A name that SQLite takes for a database in memory, or for a file that is removed at the end.
      if (first("SELECT file FROM pragma_database_list WHERE name = 'main'") === "")
        return "it is not the name of a file, and keeps nothing. Give a path; Cluster.memory() is for what need not be kept";
      const application = first("PRAGMA application_id");
      // Those of before this id was written have the tables.
      const isOurs =
        application === APPLICATION ||
        (application === 0 &&
          (MIGRATION_TABLES.some(isThere) || first("SELECT COUNT(*) FROM sqlite_schema") === 0));
      return isOurs
        ? undefined
        : "it belongs to another application: it has its tables, or its id. Give the path of a new file";
    });
    if (problem !== undefined) return yield* unusable(problem);
    // Two processes that have the same file would own the same hosts. The kernel releases the lock when this one ends.
    yield* attempt("lock", () => {
      db.exec("PRAGMA locking_mode = EXCLUSIVE");
      db.exec("PRAGMA journal_mode = WAL");
      db.exec(`BEGIN EXCLUSIVE; PRAGMA application_id = ${APPLICATION}; COMMIT`);
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
    const { borrower, ...acquirers } = SqlClient.makeSqliteAcquirers({
      connection: Effect.succeed(connection),
      semaphore: yield* Semaphore.make(1),
      isTransaction: () => db.isTransaction,
    });
    const space = new Space(options.filename);
    const client = yield* SqlClient.make({
      driver: "node-sqlite",
      ...acquirers,
      borrower: (use) => space.awaited(borrower(use)),
      compiler: Statement.makeCompilerSqlite(),
      beginTransaction: "BEGIN IMMEDIATE",
      spanAttributes: [["db.system.name", "sqlite"]],
    });
    spaces.set(client, space);
    yield* Effect.provideService(
      refuseNewer((table) => attempt("read", () => isThere(table))),
      SqlClient.SqlClient,
      client,
    );
    const { withTransaction } = client;
    return Object.assign(client, {
      withTransaction: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.withFiber<A, E | SqlError.SqlError, R>((fiber) =>
          Context.getOrUndefined(fiber.context, client.transactionService) === undefined
            ? space.awaited(withTransaction(effect))
            : withTransaction(effect),
        ),
    });
  });

/**
 * Tries again what the disk has had no space for: nothing of a statement or of a transaction is done then. Effect's
 * cluster would lose the end of a step whose storing has failed, and wait for it forever.
 */
class Space {
  readonly #filename: string;
  /** While the storage is opened, a full disk is its failure. */
  isAwaited = false;
  #waiting = 0;

  constructor(filename: string) {
    this.#filename = printable(filename);
  }

  awaited<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.catch(effect, (error) =>
      this.#isLacking(error)
        ? Effect.acquireUseRelease(
            this.#begin,
            () =>
              Effect.delay(effect, FULL).pipe(
                Effect.retry({ while: (error) => this.#isLacking(error) }),
              ),
            (_, exit) => this.#end(exit),
          )
        : Effect.fail(error),
    );
  }

  #isLacking(error: unknown): boolean {
    return this.isAwaited && codeOf(error) === SQLITE_FULL;
  }

  readonly #begin = Effect.suspend(() =>
    this.#waiting++ === 0
      ? Effect.logWarning(
          `${this.#filename}: ${REMEDIES[SQLITE_FULL]}: rollouts go on when it has space again`,
        )
      : Effect.void,
  );

  #end(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return --this.#waiting === 0 && Exit.isSuccess(exit)
      ? Effect.logInfo(`${this.#filename}: its disk has space again`)
      : Effect.void;
  }
}

const spaces = new WeakMap<SqlClient.SqlClient, Space>();

/** From now on, what the disk has no space for waits until there is some: the storage is open. */
export const awaitSpace: Effect.Effect<void, never, SqlClient.SqlClient> = Effect.map(
  SqlClient.SqlClient,
  (client) => {
    const space = spaces.get(client);
    if (space !== undefined) space.isAwaited = true;
  },
);

/** SQLite has no booleans. */
const bindable = (value: unknown): unknown => (typeof value === "boolean" ? Number(value) : value);

/** What can be done, by the primary code of SQLite. */
const REMEDIES: Readonly<Record<number, string>> = {
  /** SQLITE_BUSY */
  5: "another process has it. Only one at a time can use a file; many share a database of PostgreSQL",
  /** SQLITE_READONLY */
  8: "this user may not write to it",
  /** SQLITE_IOERR */
  10: "this process cannot read or write it, or the files that SQLite makes beside it: see its disk, and the permissions of its directory",
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
export const remedy =
  (filename: string) =>
  (error: unknown): string | undefined => {
    const code = codeOf(error);
    return (DENIALS.includes(code) ? denial(filename) : undefined) ?? REMEDIES[code];
  };

/** SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN: codes of what this user may not do. */
const DENIALS = [8, 10, 14];

/** What the kernel denies, if it does: SQLite does not say it. */
const denial = (filename: string): string | undefined => {
  const checked = existsSync(filename) ? [filename, dirname(filename)] : [dirname(filename)];
  for (const path of checked)
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const subject = path === filename ? "it" : `its directory ${printable(path)}`;
      const why =
        code === "EROFS"
          ? `the file system of ${subject} is read-only`
          : code === "ENOENT"
            ? `${subject} is not there`
            : `this user may not write to ${subject}`;
      return `${why} (${code}). SQLite writes to the file, and makes others beside it`;
    }
  return undefined;
};
