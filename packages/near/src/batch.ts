import { Effect, Exit } from "effect";
import type { SyscallFailure } from "./errors.ts";
import { type Outcome, PendingCall } from "./PendingCall.ts";
import { pipelined } from "./pipelined.ts";
import type { Syscall } from "./Syscall.ts";

type Calls = ReadonlyArray<Syscall<unknown>>;

type ResultOf<C> = C extends Syscall<infer A> ? A : never;

/** What the calls of a batch give, in their order. */
export type Results<C extends Calls> = { -readonly [I in keyof C]: ResultOf<C[I]> };

/** How the calls of a batch have ended, in their order. */
export type Exits<C extends Calls> = {
  -readonly [I in keyof C]: Exit.Exit<ResultOf<C[I]>, SyscallFailure>;
};

/**
 * Makes system calls that do not need each other's results: all are submitted at once, so that
 * together they take one round trip to their task, or tasks. All of them are made, whatever becomes of
 * one; the batch fails with the first that has failed.
 *
 * @example
 * ```ts
 * import { batch, getpid, geteuid, LocalSyscallInterface, localAbi } from "@rsyscall/near";
 * import { Effect } from "effect";
 *
 * const abi = localAbi();
 * if (abi !== undefined) {
 *   const sysif = new LocalSyscallInterface(abi);
 *   const [pid, uid] = Effect.runSync(batch([getpid(sysif), geteuid(sysif)]));
 *   console.log(pid === process.pid, uid === process.geteuid?.()); // true true
 * }
 * ```
 */
export const batch = <const C extends Calls>(calls: C): Effect.Effect<Results<C>, SyscallFailure> =>
  Effect.flatMap(batchExits(calls), allOf);

/** As `batch`, and gives how each of the calls has ended. */
export const batchExits = <const C extends Calls>(calls: C): Effect.Effect<Exits<C>> =>
  Effect.suspend(() => {
    const submitted = submitAll(calls);
    if (submitted === undefined)
      return pipelined(calls.map(Effect.exit)) as unknown as Effect.Effect<Exits<C>>;
    for (const direct of new Set(calls.map(({ sysif }) => sysif.direct))) direct?.settle();
    return exitsOf(calls, submitted);
  });

/**
 * As `batch`, with an operation that is submitted right behind the calls: it reads what they have
 * written.
 */
export const batchThen = <const C extends Calls, B, E>(
  calls: C,
  last: Effect.Effect<B, E>,
): Effect.Effect<[results: Results<C>, last: B], E | SyscallFailure> =>
  Effect.flatMap(behind(calls, last), ([exits, last]) =>
    Effect.flatMap(allOf(exits), (results) =>
      Exit.map(last, (value): [Results<C>, B] => [results, value]),
    ),
  );

/** As `batchThen`, and gives how each of the calls has ended. */
export const batchExitsThen = <const C extends Calls, B, E>(
  calls: C,
  last: Effect.Effect<B, E>,
): Effect.Effect<[exits: Exits<C>, last: B], E> =>
  Effect.flatMap(behind(calls, last), ([exits, last]) =>
    Exit.map(last, (value): [Exits<C>, B] => [exits, value]),
  );

/** Calls, and behind them an operation: how all of that has ended. */
const behind = <const C extends Calls, B, E>(
  calls: C,
  last: Effect.Effect<B, E>,
): Effect.Effect<[exits: Exits<C>, last: Exit.Exit<B, E>]> =>
  Effect.suspend(() => {
    const submitted = submitAll(calls);
    if (submitted === undefined)
      return Effect.map(
        pipelined([pipelined(calls.map(Effect.exit)), Effect.exit(last)]),
        ([exits, last]) => [exits as unknown as Exits<C>, last],
      );
    return Effect.flatMap(Effect.exit(last), (last) =>
      Effect.map(exitsOf(calls, submitted), (exits): [Exits<C>, Exit.Exit<B, E>] => [exits, last]),
    );
  });

type Submitted = ReadonlyArray<Outcome | PendingCall>;

/** Submits calls; undefined, and nothing is done, if that cannot be done directly. */
const submitAll = (calls: Calls): Submitted | undefined =>
  calls.some(({ sysif }) => sysif.direct === undefined)
    ? undefined
    : calls.map((call) => call.submit() as Outcome | PendingCall);

/** How calls end that were submitted. */
const exitsOf = <const C extends Calls>(
  calls: C,
  submitted: Submitted,
): Effect.Effect<Exits<C>> => {
  const exits = () =>
    calls.map((call, i) => {
      const it = submitted[i] as Outcome | PendingCall;
      return call.exit(it instanceof PendingCall ? (it.outcome as Outcome) : it);
    }) as unknown as Exits<C>;
  const last = submitted.filter(isPending);
  if (last.length === 0) return Effect.succeed(exits());
  return Effect.uninterruptible(
    Effect.callback<Exits<C>>((resume) => {
      let left = last.length;
      const onDone = () => {
        if (--left === 0) resume(Effect.sync(exits));
      };
      for (const call of last) call.whenDone(onDone);
    }),
  );
};

const isPending = (submitted: Outcome | PendingCall): submitted is PendingCall =>
  submitted instanceof PendingCall && submitted.outcome === undefined;

/** All values, or the first failure. */
const allOf = <C extends Calls>(exits: Exits<C>): Exit.Exit<Results<C>, SyscallFailure> => {
  const values: Array<unknown> = [];
  for (const exit of exits as ReadonlyArray<Exit.Exit<unknown, SyscallFailure>>) {
    if (Exit.isFailure(exit)) return Exit.failCause(exit.cause);
    values.push(exit.value);
  }
  return Exit.succeed(values as Results<C>);
};
