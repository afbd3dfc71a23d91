import { F, O, SigHow, Sigset } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { type Cloned, clone, type Step } from "./clone.ts";
import type { BorrowFailure, MallocFailure } from "./errors.ts";
import type { ExecOptions } from "./exec.ts";
import type { FileDescriptor } from "./FileDescriptor.ts";
import { argument, checked, fdNumber } from "./internal/checked.ts";
import { execImage, execStrings } from "./internal/execImage.ts";
import type { TaskLike } from "./TaskLike.ts";

/** What a program is started with: see `spawn`. */
export interface SpawnOptions extends ExecOptions {
  /** The path of the executable, in the mount namespace of the parent. */
  readonly path: near.PathLike;
  /**
   * The descriptors that the program gets, by their numbers. It also gets inherited ones that are not
   * close-on-exec.
   */
  readonly fds: ReadonlyMap<number, FileDescriptor>;
  /** The program's working directory, if not this process's. */
  readonly cwd?: near.PathLike | undefined;
  /** A descriptor that the child keeps open until it executes the program. */
  readonly untilExec?: FileDescriptor | undefined;
  /** Whether the program leads a new session, without a terminal: setsid(2). Default false. */
  readonly session?: boolean | undefined;
  /** The signal that the program gets when this process dies; undefined for none. */
  readonly deathSignal: number | undefined;
}

/**
 * posix_spawn(3): starts a child that executes a program by itself, in one operation. `failure` tells whether the
 * kernel has refused a step, once the child has executed the program or has ended.
 */
export const spawn: (
  task: TaskLike,
  options: SpawnOptions,
) => Effect.Effect<Cloned, MallocFailure | BorrowFailure, Scope.Scope> = Effect.fnUntraced(
  function* ({ task }, options) {
    const { path, argv, envp, cwd, untilExec } = options;
    const signals = task.programSignals;
    const sigmask = options.sigmask ?? signals.maskOf(task.sigmask);
    const sources: Array<[number, near.Fd]> = [];
    for (const [number, fd] of options.fds) {
      const source = checked("spawn", [argument("fds", number, fdNumber)], fd.borrow(task));
      sources.push([number, yield* source]);
    }
    const kept = sources.map(([, fd]) => fd);
    if (untilExec !== undefined) kept.push(yield* untilExec.borrow(task));
    const strings = execStrings("execve", path, argv, envp);
    if (strings instanceof near.InvalidArgumentError) return yield* strings;
    const cwds = cwd === undefined ? [] : execStrings("chdir", cwd, [], []);
    if (cwds instanceof near.InvalidArgumentError) return yield* cwds;
    const exec = execImage(strings, argv.length, sigmask, signals.childActions);
    const cwdAt = exec.size;
    const steps: Array<Step> = redirections(sources, kept);
    if (options.session) steps.push({ syscall: "setsid", words: () => [] });
    if (cwd !== undefined)
      steps.push({
        syscall: "chdir",
        subject: near.pathText(cwd),
        words: (image) => [image + cwdAt],
      });
    for (const { signal, action } of exec.actions)
      steps.push({
        syscall: "rt_sigaction",
        subject: `signal ${signal}`,
        words: (image) => [signal, image + action, 0, Sigset.size],
      });
    steps.push(
      {
        syscall: "rt_sigprocmask",
        words: (image) => [SigHow.SETMASK, image + exec.sigmask, 0, Sigset.size],
      },
      {
        syscall: "execve",
        subject: near.pathText(path),
        words: (image) => [image + exec.path, image + exec.argv, image + exec.envp],
      },
    );
    return yield* clone(task, {
      flags: 0,
      kept,
      deathSignal: options.deathSignal,
      steps,
      image: {
        size: exec.size + cwds.reduce((sum, string) => sum + string.length + 1, 0),
        at: (base) => {
          const image = exec.at(base);
          const [directory] = cwds;
          if (directory === undefined) return image;
          const bytes = new Uint8Array(image.length + directory.length + 1);
          bytes.set(image);
          bytes.set(directory, cwdAt);
          return bytes;
        },
      },
    });
  },
);

/** Descriptors that are in the way are moved beyond this number, which is above those that callers usually give. */
const ASIDE = 200;

/** The steps that give descriptors their numbers. No descriptor is overwritten before it is used. */
const redirections = (
  wanted: ReadonlyArray<[to: number, from: near.Fd]>,
  kept: ReadonlyArray<number>,
): Array<Step> => {
  const targets = new Set(wanted.map(([to]) => to));
  let free = Math.max(ASIDE, ...targets, ...kept) + 1;
  const dup3 = (from: number, to: number, flags: number): Step => ({
    syscall: "dup3",
    subject: `fd ${from}`,
    words: () => [from, to, flags],
  });
  const steps: Array<Step> = [];
  const moved = new Map<number, number>();
  for (const [to, from] of wanted)
    if (from !== to && targets.has(from) && !moved.has(from)) {
      steps.push(dup3(from, free, O.CLOEXEC));
      moved.set(from, free++);
    }
  for (const [to, from] of wanted)
    steps.push(
      from === to
        ? { syscall: "fcntl", subject: `fd ${to}`, words: () => [to, F.SETFD, 0] }
        : dup3(moved.get(from) ?? from, to, 0),
    );
  return steps;
};
