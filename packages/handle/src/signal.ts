import { SIG, SIG_DFL, Sigaction, SigHow, Sigset } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope, Semaphore } from "effect";
import type { MallocFailure } from "./errors.ts";
import { argument, between, checked, encoded, int, type Rule } from "./internal/checked.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

const SIGSET_SIZE = Sigset.size;

/**
 * sigprocmask(2): changes which signals are blocked, and returns those that were blocked before. Updates the
 * task's `sigmask`.
 */
export const sigprocmask = (
  { task }: TaskLike,
  how: (typeof SigHow)[keyof typeof SigHow],
  signals: ReadonlySet<number>,
): Effect.Effect<ReadonlySet<number>, MallocFailure> =>
  Effect.flatMap(encoded("rt_sigprocmask", "signals", Sigset, signals), (bytes) =>
    task.withMemory(2 * SIGSET_SIZE, 8, (set) => {
      const old = near.Address(set + SIGSET_SIZE);
      const change = near.batchThen(
        [near.sigprocmask(task.sysif, how, set, old)],
        task.sysif.read(old, SIGSET_SIZE),
      );
      return Effect.map(Effect.andThen(task.sysif.write(set, bytes), change), ([, bytes]) => {
        const before = Sigset.decode(bytes);
        task.sigmask = applied(how, before, signals);
        return before;
      });
    }),
  );

const applied = (
  how: number,
  before: ReadonlySet<number>,
  signals: ReadonlySet<number>,
): ReadonlySet<number> => {
  if (how === SigHow.UNBLOCK) return new Set([...before].filter((signal) => !signals.has(signal)));
  const blocked = new Set(how === SigHow.BLOCK ? [...before, ...signals] : signals);
  // The kernel silently ignores these two.
  blocked.delete(SIG.KILL);
  blocked.delete(SIG.STOP);
  return blocked;
};

/** The blocks of one task. */
interface Blocks {
  /**
   * Allows one change at a time: whether a signal was blocked before its first block decides whether its last
   * block unblocks it.
   */
  readonly lock: Semaphore.Semaphore;
  /** The number of blocks that hold each signal. */
  readonly holders: Map<number, number>;
  /** The signals that were not blocked before their first block. */
  readonly added: Set<number>;
}

const blocksOf = new WeakMap<Task, Blocks>();

/**
 * Signals that are blocked in a task until the scope closes. Blocks may overlap in any order: a signal is
 * unblocked when the last block that has it ends, unless it was blocked before the first one.
 *
 * A block holds for one task. A child starts with the task's current mask, and keeps it. In a process with other
 * threads, such as Node, a signal for the process is not held back: the kernel delivers it to a thread that does
 * not block it.
 */
export class SignalBlock {
  /** The task in which they are blocked. */
  readonly task: Task;
  /** The numbers of the signals. */
  readonly signals: ReadonlySet<number>;
  readonly #blocks: Blocks;
  #isHeld = true;

  private constructor(task: Task, signals: ReadonlySet<number>, blocks: Blocks) {
    this.task = task;
    this.signals = signals;
    this.#blocks = blocks;
  }

  /** Blocks the signals by sigprocmask(2). SIGKILL and SIGSTOP cannot be blocked. */
  static make(
    { task }: TaskLike,
    signals: ReadonlySet<number>,
  ): Effect.Effect<SignalBlock, MallocFailure, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        const blocks = blocksOf.get(task) ?? {
          lock: Semaphore.makeUnsafe(1),
          holders: new Map(),
          added: new Set(),
        };
        blocksOf.set(task, blocks);
        const wanted = new Set(signals);
        return blocks.lock.withPermit(
          Effect.map(sigprocmask(task, SigHow.BLOCK, wanted), (before) => {
            for (const signal of wanted) {
              const holders = blocks.holders.get(signal) ?? 0;
              blocks.holders.set(signal, holders + 1);
              if (holders === 0 && !before.has(signal)) blocks.added.add(signal);
            }
            return new SignalBlock(task, wanted, blocks);
          }),
        );
      }),
      (block) => Effect.ignore(block.unblock()),
    );
  }

  /** Ends the block before its scope does. A second call does nothing. */
  unblock(): Effect.Effect<void, MallocFailure> {
    const { lock, holders, added } = this.#blocks;
    return lock
      .withPermit(
        Effect.suspend((): Effect.Effect<void, MallocFailure> => {
          if (!this.#isHeld) return Effect.void;
          this.#isHeld = false;
          const free = new Set<number>();
          for (const signal of this.signals) {
            const left = (holders.get(signal) ?? 1) - 1;
            if (left > 0) holders.set(signal, left);
            else {
              holders.delete(signal);
              if (added.delete(signal)) free.add(signal);
            }
          }
          return free.size === 0
            ? Effect.void
            : Effect.asVoid(sigprocmask(this.task, SigHow.UNBLOCK, free));
        }),
      )
      .pipe(Effect.uninterruptible);
  }
}

near.oneLine(SignalBlock, ({ task, signals }) => `${signals.size} signals of process ${task.pid}`);

/** sigpending(2): the signals that are pending for the task or for its process, because they are blocked. */
export const sigpending = ({ task }: TaskLike): Effect.Effect<ReadonlySet<number>, MallocFailure> =>
  task.withResult(Sigset, (set) => near.sigpending(task.sysif, set));

/** The action for a signal. `flags` are of `SA`; without `mask`, the handler blocks no further signals. */
export type NewSigaction = Pick<Sigaction, "handler"> & Partial<Sigaction>;

/**
 * sigaction(2): sets the action of the task's process for a signal, if one is given. Returns the previous action,
 * which can be set again.
 *
 * A handler other than SIG_DFL and SIG_IGN is the address of code in the task. On x86_64 it needs SA.RESTORER and
 * the address of code that makes the system call rt_sigreturn: without it, the signal ends the process with
 * SIGSEGV.
 */
export const sigaction = (
  { task }: TaskLike,
  signal: number,
  action?: NewSigaction,
): Effect.Effect<Sigaction, MallocFailure> => {
  const subject = `signal ${signal}`;
  const { size, alignment } = Sigaction;
  const bytes =
    action === undefined
      ? Effect.succeed(undefined)
      : encoded("rt_sigaction", "action", Sigaction, {
          flags: 0,
          restorer: 0,
          mask: new Set(),
          ...action,
        });
  return checked(
    "rt_sigaction",
    [argument("signal", signal, int)],
    Effect.flatMap(bytes, (bytes) =>
      task.withMemory(2 * size, alignment, (old) => {
        const set = near.Address(old + size);
        const change = near.batchThen(
          [near.sigaction(task.sysif, signal, bytes === undefined ? near.NULL : set, old)],
          task.sysif.read(old, size),
        );
        return Effect.flatMap(
          bytes === undefined ? change : Effect.andThen(task.sysif.write(set, bytes), change),
          ([, before]) => {
            if (bytes !== undefined) task.programSignals.forget(signal);
            return near.decoded("rt_sigaction", subject, () => Sigaction.decode(before));
          },
        );
      }),
    ),
  );
};

/** sigaction(2): resets a signal to its default action (SIG_DFL). */
export const resetSignal = (
  { task }: TaskLike,
  signal: number,
): Effect.Effect<void, MallocFailure> =>
  Effect.asVoid(sigaction(task, signal, { handler: SIG_DFL }));

/**
 * kill(2) of a plain pid, which may belong to another process by now; `Pidfd.sendSignal` cannot hit the wrong
 * process. `pid` 0 stands for the task's own process group, -1 for every process that the task may signal, and a
 * number below -1 for a group. Signal 0 sends nothing, and only checks that the process exists and may be
 * signalled.
 */
export const kill = (
  { task }: TaskLike,
  pid: near.Pid | number,
  signal: number,
): Effect.Effect<void, near.SyscallFailure> =>
  checked(
    "kill",
    [argument("pid", pid, int), argument("signal", signal, int)],
    near.kill(task.sysif, pid, signal),
  );

/** A process group that kill(2) can name. Group 1 would be -1, which means every process. */
const group: Rule<number> = {
  expected: "0 for the task's own process group, or the number of another one from 2 on",
  has: (pgid) => pgid !== 1 && groupNumber.has(pgid),
};

const groupNumber = between("a process group", 0, 2 ** 31 - 1);

/**
 * killpg(3): sends a signal to every process of a group; 0 stands for the task's own group. EINVAL for group 1,
 * which kill(2) cannot name: -1 means every process.
 */
export const killpg = (
  { task }: TaskLike,
  pgid: near.Pid | number,
  signal: number,
): Effect.Effect<void, near.SyscallFailure> =>
  checked(
    "killpg",
    [argument("pgid", pgid, group), argument("signal", signal, int)],
    near.kill(task.sysif, -pgid, signal),
  );

/** tgkill(2): sends a signal to one thread of a process. */
export const tgkill = (
  { task }: TaskLike,
  tgid: near.Pid | number,
  tid: near.Pid | number,
  signal: number,
): Effect.Effect<void, near.SyscallFailure> =>
  checked(
    "tgkill",
    [argument("tgid", tgid, int), argument("tid", tid, int), argument("signal", signal, int)],
    near.tgkill(task.sysif, tgid, tid, signal),
  );
