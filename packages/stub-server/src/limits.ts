import { RLIMIT } from "@rsyscall/abi";
import type { SyscallConnection } from "@rsyscall/connection";
import { type FdTable, getrlimit, type HandleFailure } from "@rsyscall/handle";
import { Roster } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { Places } from "./Places.ts";

/** Limits of what clients may take from the process that serves them. */
export interface LimitOptions {
  /**
   * Bytes of arguments and environment that a caller may have, and 8 for each string, as execve(2)
   * counts them. Default 8 MiB, more than execve takes.
   */
  readonly descriptionLimit?: number;
  /**
   * Bytes of arguments and environments over all callers, from when they begin to come until the call has
   * ended. When there is no room, callers wait. A caller of up to 16 KiB always has room: `pendingLimit` and
   * `callLimit` bound them. Default 256 MiB.
   */
  readonly descriptionBudget?: number;
  /**
   * Clients that may be in their handshake or wait for `accept`. When there are more, clients that
   * have not said hello within 100 ms are turned away, the oldest first; if there are none, more wait in the kernel.
   * Default: an eighth of RLIMIT_NOFILE, from 4 to 1024.
   */
  readonly pendingLimit?: number;
  /**
   * Calls that are served at once; others wait. While some wait, the server hangs up on a process that leaves a system
   * call that never blocks (getpid, exit...) unanswered for a second. A process that stops inside a call that may block
   * keeps its place: see `stallLimit` and `deadline`. Default: a sixteenth of RLIMIT_NOFILE, from 4 to 4096.
   */
  readonly callLimit?: number;
}

/** A client that has not said hello yet. */
export interface Greeting {
  /** When it connected, by performance.now(). */
  readonly since: number;
  /** Turns it away. */
  readonly dismiss: () => Effect.Effect<void>;
}

/** A client that has said hello, and waits for `accept`. */
export interface WaitingClient {
  readonly hasHungUp: () => Effect.Effect<boolean>;
  readonly close: () => Effect.Effect<void>;
}

/** A caller in its handler that has no answer and no Thread yet. */
export interface WaitingCaller {
  /** Ends its call if the kernel says that it is gone. */
  readonly look: () => Effect.Effect<void>;
}

/** Places, and the clients that hold them. A process's servers share them, unless an option says otherwise. */
export interface Limits {
  readonly pending: Places;
  /** Clients in their handshake, oldest first. */
  readonly greetings: Set<Greeting>;
  readonly waiting: Set<WaitingClient>;
  readonly calls: Places;
  readonly served: Roster<SyscallConnection>;
  readonly atDoor: Roster<WaitingCaller>;
  readonly bytes: Places;
  /** A descriptor of this number or more shows that the table is nearly full. */
  readonly ceiling: number;
}

const PENDING_AT_MOST = 1024;
const CALLS_AT_MOST = 4096;
const DESCRIPTION_BUDGET = 256 * 1024 * 1024;
export const DESCRIPTION_LIMIT = 8 * 1024 * 1024;

/** A part of a limit, at least 4. */
const part = (limit: number, divisor: number, most: number): number =>
  Math.max(4, Math.min(Math.floor(limit / divisor), most));

/**
 * A pending client has 2 descriptors (its socket, its arena's), a call 3, and one more each once descriptors go to it and
 * once it waits for some: together two thirds of the table.
 */
const defaultLimits = (descriptors: number): Limits => ({
  pending: new Places(part(descriptors, 8, PENDING_AT_MOST)),
  greetings: new Set(),
  waiting: new Set(),
  calls: new Places(part(descriptors, 16, CALLS_AT_MOST)),
  served: new Roster(),
  atDoor: new Roster(),
  bytes: new Places(DESCRIPTION_BUDGET),
  // The kernel gives the lowest number that is free.
  ceiling: descriptors - part(descriptors, 16, 256),
});

const limitsOfTables = new WeakMap<FdTable, Limits>();

/** The limits of the servers of a thread, or of one that has its own. */
export const limitsOf = (
  thread: Thread,
  options: LimitOptions,
): Effect.Effect<Limits, HandleFailure> =>
  Effect.map(getrlimit(thread.task, RLIMIT.NOFILE), ({ cur }) => {
    const { fdTable } = thread.task;
    const shared = limitsOfTables.get(fdTable) ?? defaultLimits(Number(cur));
    limitsOfTables.set(fdTable, shared);
    const { pendingLimit, callLimit, descriptionBudget, descriptionLimit = 0 } = options;
    // What one caller may have must have room.
    const budget = Math.max(descriptionBudget ?? 0, descriptionLimit);
    const hasBudget = descriptionBudget !== undefined || descriptionLimit > shared.bytes.limit;
    return {
      ...shared,
      ...(pendingLimit !== undefined && {
        pending: new Places(pendingLimit),
        greetings: new Set<Greeting>(),
        waiting: new Set<WaitingClient>(),
      }),
      ...(callLimit !== undefined && {
        calls: new Places(callLimit),
        served: new Roster<SyscallConnection>(),
        atDoor: new Roster<WaitingCaller>(),
      }),
      ...(hasBudget && { bytes: new Places(budget) }),
    };
  });

/** Milliseconds before a client without a hello may be turned away: it may be busy with it. */
const PATIENCE = 100;

/** The part of all clients that is turned away at a time. */
const SHARE = 1 / 16;

/**
 * Waits until there is a place for one more client, and does not take it. If all are taken, the clients
 * whose hello is overdue the longest are turned away.
 */
export const roomForClient = (limits: Limits): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { pending, greetings } = limits;
    const [oldest] = greetings;
    if (oldest === undefined) return Effect.andThen(dropDead(limits), releasedSoon(limits));
    const now = performance.now();
    const left = oldest.since + PATIENCE - now;
    if (left > 0) return Effect.raceFirst(pending.released(), Effect.sleep(left));
    const overdue = [...greetings]
      .slice(0, Math.ceil(pending.limit * SHARE))
      .filter(({ since }) => since + PATIENCE <= now);
    for (const each of overdue) greetings.delete(each);
    return Effect.forEach(overdue, ({ dismiss }) => dismiss(), {
      concurrency: "unbounded",
      discard: true,
    });
  });

/** Clients that have died since they said hello need no place. */
const dropDead = ({ waiting }: Limits): Effect.Effect<void> =>
  Effect.forEach(
    [...waiting],
    (client) => Effect.flatMap(client.hasHungUp(), (dead) => (dead ? client.close() : Effect.void)),
    { discard: true },
  );

const releasedSoon = ({ pending }: Limits): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (!pending.take()) return Effect.raceFirst(pending.released(), Effect.sleep(STALL));
    pending.release();
    return Effect.void;
  });

/** Milliseconds without an answer to a call that never blocks, after which a process counts as stalled. */
const STALL = 1000;

/**
 * Waits until there is a place for one more call, and does not take it. Ends the calls of processes that are gone, and
 * hangs up on those that have stalled meanwhile.
 */
export const roomForCall = ({ calls, served, atDoor }: Limits): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.forEach(atDoor.values(), (caller) => caller.look(), { discard: true }),
    () => {
      if (calls.isFree) return Effect.void;
      const before = new Map(served.values().map((call) => [call, call.overdue] as const));
      const hangUp = Effect.sync(() => {
        for (const [call, overdue] of before)
          if (overdue !== undefined && call.overdue === overdue)
            call.fail(new Error(`no answer within ${STALL} ms, while other callers wait`));
      });
      return Effect.raceFirst(calls.released(), Effect.andThen(Effect.sleep(STALL), hangUp));
    },
  );

/** Hangs up on a process that leaves any one system call without an answer for a time. */
export const limitStalls = (connection: SyscallConnection, milliseconds: number): void => {
  let { oldest } = connection;
  let since = performance.now();
  const timer = setInterval(
    () => {
      if (connection.oldest !== oldest) {
        oldest = connection.oldest;
        since = performance.now();
      } else if (oldest !== undefined && performance.now() - since >= milliseconds)
        connection.fail(new Error(`no answer within ${milliseconds} ms`));
    },
    Math.max(milliseconds / 4, 1),
  );
  timer.unref();
  connection.onEnd(() => clearInterval(timer));
};
