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
  Effect.flatMap(
    batchExits(calls),
    (exits: ReadonlyArray<Exit.Exit<unknown, SyscallFailure>>) =>
      allOf(exits) as Exit.Exit<Results<C>, SyscallFailure>,
  );

/** As `batch`, and gives how each of the calls has ended. */
export const batchExits = <const C extends Calls>(calls: C): Effect.Effect<Exits<C>> =>
  Effect.suspend(() => {
    if (calls.some(({ sysif }) => sysif.direct === undefined))
      return pipelined(calls.map(Effect.exit));
    const submitted = calls.map((call) => call.submit() as Outcome | PendingCall);
    for (const direct of new Set(calls.map(({ sysif }) => sysif.direct))) direct?.settle();
    const exits = () =>
      calls.map((call, i) => {
        const it = submitted[i] as Outcome | PendingCall;
        return call.exit(it instanceof PendingCall ? (it.outcome as Outcome) : it);
      });
    const last = submitted.filter(isPending);
    if (last.length === 0) return Effect.succeed(exits());
    return Effect.uninterruptible(
      Effect.callback<ReturnType<typeof exits>>((resume) => {
        let left = last.length;
        const onDone = () => {
          if (--left === 0) resume(Effect.sync(exits));
        };
        for (const call of last) call.whenDone(onDone);
      }),
    );
  }) as Effect.Effect<Exits<C>>;

const isPending = (submitted: Outcome | PendingCall): submitted is PendingCall =>
  submitted instanceof PendingCall && submitted.outcome === undefined;

/** All values, or the first failure. */
const allOf = (
  exits: ReadonlyArray<Exit.Exit<unknown, SyscallFailure>>,
): Exit.Exit<ReadonlyArray<unknown>, SyscallFailure> => {
  const values: Array<unknown> = [];
  for (const exit of exits) {
    if (Exit.isFailure(exit)) return Exit.failCause(exit.cause);
    values.push(exit.value);
  }
  return Exit.succeed(values);
};
