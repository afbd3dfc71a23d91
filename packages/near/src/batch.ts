import { Effect, Exit } from "effect";
import type { SyscallFailure } from "./errors.ts";
import { PendingCall } from "./PendingCall.ts";
import { pipelined } from "./pipelined.ts";
import type { CallOutcome, Syscall } from "./Syscall.ts";

type Calls = ReadonlyArray<Syscall<unknown>>;

type ResultOf<C> = C extends Syscall<infer A> ? A : never;

/** The results of the calls of a batch, in order. */
export type Results<C extends Calls> = { -readonly [I in keyof C]: ResultOf<C[I]> };

/** The exits of the calls of a batch, in order. */
export type Exits<C extends Calls> = {
  -readonly [I in keyof C]: Exit.Exit<ResultOf<C[I]>, SyscallFailure>;
};

/**
 * Makes system calls that do not need each other's results: all are submitted at once, so that
 * together they take one round trip to their task, or tasks. All of them are made, even if one
 * fails; the batch then fails with the first failure.
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
  all(calls, resultsOf);

/** As `batch`, but gives the exit of each call. */
export const batchExits = <const C extends Calls>(calls: C): Effect.Effect<Exits<C>> =>
  all(calls, (calls: C, outcomes) => Exit.succeed(exitsOf(calls, outcomes)));

/** Submits calls, waits for all, and converts their outcomes. */
const all = <const C extends Calls, B, E>(
  calls: C,
  make: (calls: C, outcomes: ReadonlyArray<CallOutcome>) => Exit.Exit<B, E>,
): Effect.Effect<B, E> =>
  Effect.suspend(() => {
    const submitted = submitAll(calls);
    if (submitted === undefined)
      return Effect.flatMap(pipelined(calls.map((call) => call.perform())), (outcomes) =>
        make(calls, outcomes),
      );
    return whenDone(calls, submitted, () => make(calls, submitted.map(outcome)));
  });

/**
 * As `batch`, with an operation that is submitted directly after the calls, for example to read memory that
 * they write.
 */
export const batchThen = <const C extends Calls, B, E>(
  calls: C,
  last: Effect.Effect<B, E>,
): Effect.Effect<[results: Results<C>, last: B], E | SyscallFailure> =>
  behind(calls, last, resultsOf);

/** As `batchThen`, but gives the exit of each call. */
export const batchExitsThen = <const C extends Calls, B, E>(
  calls: C,
  last: Effect.Effect<B, E>,
): Effect.Effect<[exits: Exits<C>, last: B], E> =>
  behind(calls, last, (calls: C, outcomes) => Exit.succeed(exitsOf(calls, outcomes)));

/** As `all`, with an operation after the calls. If it fails, a failure of the calls takes precedence. */
const behind = <const C extends Calls, B, E, B2, E2>(
  calls: C,
  last: Effect.Effect<B2, E2>,
  make: (calls: C, outcomes: ReadonlyArray<CallOutcome>) => Exit.Exit<B, E>,
): Effect.Effect<[B, B2], E | E2> =>
  Effect.suspend(() => {
    const submitted = submitAll(calls);
    const both = (outcomes: ReadonlyArray<CallOutcome>, last: Exit.Exit<B2, E2>) =>
      Effect.flatMap(make(calls, outcomes), (made) =>
        Exit.map(last, (value): [B, B2] => [made, value]),
      );
    return submitted === undefined
      ? Effect.flatMap(
          pipelined([pipelined(calls.map((call) => call.perform())), Effect.exit(last)]),
          ([outcomes, last]) => both(outcomes, last),
        )
      : Effect.flatMap(Effect.exit(last), (last) =>
          whenDone(calls, submitted, () => both(submitted.map(outcome), last)),
        );
  });

type Submitted = ReadonlyArray<CallOutcome | PendingCall>;

/** Submits calls; undefined, without submitting any, if they cannot be submitted directly. */
const submitAll = (calls: Calls): Submitted | undefined =>
  calls.some(({ sysif }) => sysif.direct === undefined)
    ? undefined
    : calls.map((call) => call.submit() as CallOutcome | PendingCall);

const isPending = (submitted: CallOutcome | PendingCall): submitted is PendingCall =>
  submitted instanceof PendingCall && submitted.outcome === undefined;

/** Continues when all calls are done. Not interruptible: no result must be lost. */
const whenDone = <B, E>(
  calls: Calls,
  submitted: Submitted,
  goOn: () => Effect.Effect<B, E>,
): Effect.Effect<B, E> => {
  // Results of one task arrive in order, but the calls may be of several tasks.
  if (submitted.some(isPending))
    for (const direct of new Set(calls.map(({ sysif }) => sysif.direct))) direct?.settle();
  const pending = submitted.filter(isPending);
  if (pending.length === 0) return goOn();
  return Effect.uninterruptible(
    Effect.callback<B, E>((resume) => {
      let left = pending.length;
      const onDone = () => {
        if (--left === 0) resume(Effect.suspend(goOn));
      };
      for (const call of pending) call.whenDone(onDone);
    }),
  );
};

/** Returns the outcome of a call that is done. */
const outcome = (submitted: CallOutcome | PendingCall): CallOutcome =>
  submitted instanceof PendingCall ? (submitted.outcome as CallOutcome) : submitted;

const exitsOf = <const C extends Calls>(calls: C, outcomes: ReadonlyArray<CallOutcome>): Exits<C> =>
  calls.map((call, i) => call.exit(outcomes[i] as CallOutcome)) as unknown as Exits<C>;

/** Returns all values, or the first failure. */
const resultsOf = <const C extends Calls>(
  calls: C,
  outcomes: ReadonlyArray<CallOutcome>,
): Exit.Exit<Results<C>, SyscallFailure> => {
  const values: Array<unknown> = [];
  for (const [i, call] of calls.entries()) {
    const outcome = outcomes[i] as CallOutcome;
    if (!call.succeeds(outcome)) {
      const exit = call.exit(outcome);
      if (Exit.isFailure(exit)) return Exit.failCause(exit.cause);
    } else values.push(call.decode(outcome));
  }
  return Exit.succeed(values as Results<C>);
};
