import { SIG, Sigaction, SigHow, Sigset } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { encode, type MallocFailure, type Task } from "./Task.ts";

const SIGSET_SIZE = Sigset.size;

/**
 * sigprocmask(2): changes which signals are blocked, and gives those that were before. The task's
 * `sigmask` follows.
 */
export const sigprocmask = (
  task: Task,
  how: (typeof SigHow)[keyof typeof SigHow],
  signals: ReadonlySet<number>,
): Effect.Effect<ReadonlySet<number>, MallocFailure> =>
  task.withMemory(2 * SIGSET_SIZE, 8, (set) => {
    const old = near.Address(set + SIGSET_SIZE);
    return Effect.map(
      near.pipelined([
        task.sysif.write(set, encode(Sigset, signals)),
        near.sigprocmask(task.sysif, how, set, old),
        task.sysif.read(old, SIGSET_SIZE),
      ]),
      ([, , bytes]) => {
        const before = Sigset.decode(bytes);
        task.sigmask = applied(how, before, signals);
        return before;
      },
    );
  });

const applied = (
  how: number,
  before: ReadonlySet<number>,
  signals: ReadonlySet<number>,
): ReadonlySet<number> => {
  if (how === SigHow.UNBLOCK) return new Set([...before].filter((signal) => !signals.has(signal)));
  const blocked = new Set(how === SigHow.BLOCK ? [...before, ...signals] : signals);
  // The kernel passes over these two without a word.
  blocked.delete(SIG.KILL);
  blocked.delete(SIG.STOP);
  return blocked;
};

/** sigaction(2), back to what the kernel does by itself (SIG_DFL). */
export const resetSignal = (task: Task, signal: number): Effect.Effect<void, MallocFailure> =>
  task.withBytes(
    new Uint8Array(Sigaction.size),
    (action) => near.sigaction(task.sysif, signal, action),
    8,
  );
