import { Effect } from "effect";
import { ClusterError, MessageStorage } from "effect/cluster";
import { SqlClient } from "effect/sql";
import { WHOLE } from "./rolloutWorkflows.ts";
import { beginsRollout, entityType } from "./tables.ts";

/** The storage of the cluster cannot be read. */
export type StorageError = ClusterError.PersistenceError;

/** An execution of the workflow of a whole rollout. */
export interface Execution {
  /** The name of the rollout. */
  readonly name: string;
  readonly executionId: string;
}

/** A message of an execution. */
export interface JournalEntry {
  readonly messageId: bigint;
  readonly executionId: string;
  /** As JSON. */
  readonly payload: unknown;
  /** The exit that was answered, as JSON. */
  readonly exit?: unknown;
  readonly replyId?: bigint;
}

/** `run` begins an execution; `activity` is a step of it; `deferred` is told to it from outside. */
export type EntryTag = "run" | "activity" | "deferred";

/**
 * Reads what Effect's cluster has stored of the executions of workflows: messages and their replies. It changes nothing.
 */
export interface Journal {
  /** The newest rollouts, the newest first. */
  readonly rollouts: (limit: number) => Effect.Effect<ReadonlyArray<Execution>, StorageError>;
  /** Messages of executions of a workflow, in the order in which they were sent. */
  readonly entries: (
    workflow: string,
    executionIds: ReadonlyArray<string>,
    tag: EntryTag,
  ) => Effect.Effect<ReadonlyArray<JournalEntry>, StorageError>;
}

/** The types of entities of whole rollouts begin with this. */
const ROLLOUT = entityType(WHOLE);

/** How many executions a statement asks for. */
const CHUNK = 500;

/** Reads the tables of `SqlMessageStorage`. */
export const sqlJournal: Effect.Effect<Journal, never, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms();
    // SQLite would rather read all that rollouts have decided.
    const byRollouts = sql.onDialectOrElse({
      pg: () => sql.literal(""),
      orElse: () => sql.literal("INDEXED BY rsyscall_rollouts"),
    });
    return {
      rollouts: (limit) =>
        sql<{ entity_type: string; entity_id: string }>`
          SELECT entity_type, entity_id FROM cluster_messages ${byRollouts}
          WHERE ${beginsRollout(sql)} ORDER BY id DESC LIMIT ${limit}`.pipe(
          ClusterError.PersistenceError.refail,
          Effect.withTracerEnabled(false),
          Effect.map((rows) =>
            rows.map((row) => ({
              name: row.entity_type.slice(ROLLOUT.length),
              executionId: row.entity_id,
            })),
          ),
        ),
      entries: (workflow, executionIds, tag) =>
        Effect.forEach(chunks(executionIds), (chunk) =>
          // The ids have 64 bits, so they come as text. A chunk of rows is decoded at a time, so that others have their turn.
          Effect.andThen(
            Effect.yieldNow,
            sql<
              { id: string; entity_id: string } & Record<
                "payload" | "exit" | "reply",
                string | null
              >
            >`
              SELECT CAST(m.id AS TEXT) AS id, m.entity_id, m.payload,
                r.payload AS exit, CAST(r.id AS TEXT) AS reply
              FROM cluster_messages m
              LEFT JOIN cluster_replies r ON r.request_id = m.id AND r.kind = 0
              WHERE m.entity_type = ${entityType(workflow)} AND ${sql.in("m.entity_id", chunk)}
                AND m.tag = ${tag} AND m.kind = 0
              ORDER BY m.id`,
          ).pipe(
            ClusterError.PersistenceError.refail,
            Effect.map((rows) =>
              rows.map((row) => ({
                messageId: BigInt(row.id),
                executionId: row.entity_id,
                payload: parsed(row.payload),
                ...(row.reply === null
                  ? {}
                  : { exit: parsed(row.exit), replyId: BigInt(row.reply) }),
              })),
            ),
          ),
        ).pipe(
          Effect.withTracerEnabled(false),
          Effect.map((rows) => rows.flat()),
        ),
    } satisfies Journal;
  },
);

/** Reads the memory of `MessageStorage.MemoryDriver`. */
export const memoryJournal: Effect.Effect<Journal, never, MessageStorage.MemoryDriver> = Effect.map(
  MessageStorage.MemoryDriver,
  ({ requests }): Journal => {
    const found = (isWanted: (type: string, executionId: string, tag: string) => boolean) =>
      Effect.sync(() =>
        [...requests.values()].flatMap(({ envelope, replies }) => {
          if (envelope._tag !== "Request") return [];
          const { entityType, entityId } = envelope.address;
          return isWanted(entityType, entityId, envelope.tag) ? [{ envelope, replies }] : [];
        }),
      );
    return {
      rollouts: (limit) =>
        Effect.map(
          found((type, _, tag) => tag === "run" && type.startsWith(ROLLOUT)),
          (all) =>
            all
              .slice(-limit)
              .reverse()
              .map(({ envelope: { address } }) => ({
                name: address.entityType.slice(ROLLOUT.length),
                executionId: address.entityId,
              })),
        ),
      entries: (workflow, executionIds, tag) => {
        const wanted = new Set(executionIds);
        return Effect.map(
          found((type, id, its) => its === tag && type === entityType(workflow) && wanted.has(id)),
          (all) =>
            all.map(({ envelope, replies }) => {
              const reply = replies.find(({ _tag }) => _tag === "WithExit");
              return {
                messageId: BigInt(envelope.requestId),
                executionId: envelope.address.entityId,
                payload: envelope.payload,
                ...(reply?._tag === "WithExit"
                  ? { exit: reply.exit, replyId: BigInt(reply.id) }
                  : {}),
              };
            }),
        );
      },
    };
  },
);

const chunks = (ids: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from({ length: Math.ceil(ids.length / CHUNK) }, (_, i) =>
    ids.slice(i * CHUNK, (i + 1) * CHUNK),
  );

/** Undefined if it is no JSON. */
const parsed = (text: string | null): unknown => {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
};
