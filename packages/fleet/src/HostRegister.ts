import { printable } from "@rsyscall/near";
import { Array as Arrays, Effect, Queue, type Scope } from "effect";
import { ClusterError } from "effect/cluster";
import { SqlClient } from "effect/sql";
import type { HostStates } from "./HostStates.ts";
import type { StorageError } from "./Journal.ts";

/** A host that a process of the cluster has opened, or tries to. */
export interface RegisteredHost {
  /** Its name. */
  readonly host: string;
  /** The address of the process. */
  readonly runner: string;
  /** Failed: it could not be opened. */
  readonly state: "opening" | "open" | "failed";
  /** Since when, in milliseconds since 1970, by the clock of the process. */
  readonly since: number;
  /** Why it could not be opened. */
  readonly detail?: string;
  /** What runs on it. */
  readonly programs: ReadonlyArray<RunningProgram>;
}

/** A program that runs on a host. */
export interface RunningProgram {
  /** Its name. */
  readonly program: string;
  /** Since when, in milliseconds since 1970, by the clock of the process that owns the host. */
  readonly since: number;
}

/** Where the processes of a cluster write down which hosts they have open. */
export interface HostRegister {
  /** For the hosts of this process. */
  readonly states: HostStates;
  /** The hosts of all processes. */
  readonly all: () => Effect.Effect<ReadonlyArray<RegisteredHost>, StorageError>;
}

/** The longest text of an error that is written down. */
const DETAIL = 300;

interface Entry {
  state: RegisteredHost["state"];
  since: number;
  detail: string | undefined;
  /** How often it is open: one that was cut may be open until its programs have ended. */
  open: number;
  readonly programs: Set<RunningProgram>;
}

/** The hosts of this process, in its memory. */
class Book {
  readonly entries = new Map<string, Entry>();
  readonly runner: string;
  readonly #changed: (host: string) => void;

  /** @param changed is told each host of which something changes */
  constructor(runner: string, changed: (host: string) => void) {
    this.runner = runner;
    this.#changed = changed;
  }

  get(host: string): RegisteredHost | undefined {
    const entry = this.entries.get(host);
    if (entry === undefined) return undefined;
    const { state, since, detail, programs } = entry;
    const { runner } = this;
    return {
      ...{ host, runner, state, since, programs: [...programs] },
      ...(detail === undefined ? {} : { detail }),
    };
  }

  #turn(host: string, state: RegisteredHost["state"], detail?: string): Entry {
    let entry = this.entries.get(host);
    if (entry === undefined) {
      entry = { state, since: Date.now(), detail, open: 0, programs: new Set() };
      this.entries.set(host, entry);
    } else if (entry.state !== state) Object.assign(entry, { state, since: Date.now() });
    entry.detail = detail;
    this.#changed(host);
    return entry;
  }

  readonly states: HostStates = {
    opening: (host) => Effect.sync(() => void this.#turn(host, "opening")),
    open: (host) => Effect.sync(() => void this.#turn(host, "open").open++),
    failed: (host, detail) =>
      Effect.sync(() => void this.#turn(host, "failed", printable(detail, DETAIL))),
    closed: (host) =>
      Effect.sync(() => {
        const entry = this.entries.get(host);
        if (entry === undefined || --entry.open > 0) return;
        this.entries.delete(host);
        this.#changed(host);
      }),
    running: (host, program) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            const { programs } = this.entries.get(host) ?? this.#turn(host, "open");
            const running = { program, since: Date.now() };
            programs.add(running);
            this.#changed(host);
            return { programs, running };
          }),
          ({ programs, running }) =>
            Effect.sync(() => {
              programs.delete(running);
              this.#changed(host);
            }),
        ),
      ),
  };
}

/** For a process that is alone and keeps nothing. */
export const memoryRegister = (runner: string): Effect.Effect<HostRegister> =>
  Effect.sync(() => {
    const book = new Book(runner, () => {});
    return {
      states: book.states,
      all: () =>
        Effect.sync(() => [...book.entries.keys()].map((host) => book.get(host) as RegisteredHost)),
    };
  });

/** Hosts that a statement is about. */
const CHUNK = 200;

/** The longest time until a change is in the database. Changes in between cost nothing. */
const INTERVAL = "250 millis";

/** How long a database that cannot be written is left alone. */
const PAUSE = "5 seconds";

interface Row {
  readonly host: string;
  readonly runner: string;
  readonly state: RegisteredHost["state"];
  readonly since: number | bigint | string;
  readonly detail: string | null;
  readonly programs: string;
}

/**
 * For processes that share a database. What changes is noted in memory, and written by a fiber of its own: a host never
 * waits for the database, and does not fail with it.
 */
export const sqlRegister = (
  runner: string,
): Effect.Effect<HostRegister, never, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms();
    const changed = new Set<string>();
    const bell = yield* Queue.sliding<void>(1);
    const book = new Book(runner, (host) => {
      changed.add(host);
      Queue.offerUnsafe(bell, undefined);
    });

    // Those of a process before us at this address, and of those that the cluster has forgotten.
    yield* Effect.ignore(
      sql`DELETE FROM rsyscall_hosts WHERE runner = ${runner}
        OR runner NOT IN (SELECT address FROM cluster_runners)`,
    );
    yield* Effect.addFinalizer(() =>
      sql`DELETE FROM rsyscall_hosts WHERE runner = ${runner}`.pipe(
        Effect.timeout("2 seconds"),
        Effect.ignoreCause,
      ),
    );

    const write = Effect.gen(function* () {
      // In one order, so that two processes do not wait for each other's rows.
      const hosts = [...changed].sort();
      for (let from = 0; from < hosts.length; from += CHUNK) {
        const chunk = hosts.slice(from, from + CHUNK);
        for (const host of chunk) changed.delete(host);
        const rows: ReadonlyArray<Record<string, unknown>> = chunk.flatMap((host) => {
          const here = book.get(host);
          if (here === undefined) return [];
          const { detail = null, programs, ...rest } = here;
          return [{ ...rest, detail, programs: JSON.stringify(programs) }];
        });
        const gone = chunk.filter((host) => !book.entries.has(host));
        yield* Effect.gen(function* () {
          if (Arrays.isReadonlyArrayNonEmpty(rows))
            yield* sql`INSERT INTO rsyscall_hosts ${sql.insert(rows)}
              ON CONFLICT (host) DO UPDATE SET runner = excluded.runner, state = excluded.state,
                since = excluded.since, detail = excluded.detail, programs = excluded.programs`;
          if (gone.length > 0)
            yield* sql`DELETE FROM rsyscall_hosts
              WHERE runner = ${runner} AND ${sql.in("host", gone)}`;
        }).pipe(
          Effect.onError(() => Effect.sync(() => chunk.forEach((host) => void changed.add(host)))),
        );
      }
    });
    yield* Queue.take(bell).pipe(
      Effect.andThen(Effect.sleep(INTERVAL)),
      Effect.andThen(write),
      Effect.catchCause(() =>
        Effect.andThen(
          Effect.sleep(PAUSE),
          Effect.sync(() => Queue.offerUnsafe(bell, undefined)),
        ),
      ),
      Effect.forever,
      Effect.withTracerEnabled(false),
      Effect.forkScoped,
    );

    return {
      states: book.states,
      all: () =>
        sql<Row>`SELECT host, runner, state, since, detail, programs FROM rsyscall_hosts`.pipe(
          ClusterError.PersistenceError.refail,
          Effect.withTracerEnabled(false),
          Effect.map((rows) =>
            rows.map(({ since, detail, programs, ...rest }) => ({
              ...rest,
              since: Number(since),
              programs: JSON.parse(programs) as ReadonlyArray<RunningProgram>,
              ...(detail === null ? {} : { detail }),
            })),
          ),
        ),
    };
  });
