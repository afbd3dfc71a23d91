import { SIG } from "@rsyscall/abi";
import {
  type ChildState,
  type Cloned,
  type FileDescriptor,
  type HandleFailure,
  pipe,
  spawn,
} from "@rsyscall/handle";
import { catchErrno, type PathLike, type SyscallError, type SyscallFailure } from "@rsyscall/near";
import { Deferred, Effect, Exit, Scope } from "effect";
import { abandon } from "./abandon.ts";
import { ChildProcess } from "./ChildProcess.ts";
import type { Command } from "./Command.ts";
import type { ContainOptions } from "./contain.ts";
import { orByShell } from "./orByShell.ts";
import type { Starter } from "./Starter.ts";
import type { ThreadFields } from "./ThreadFields.ts";

/** What a program is started with. */
export interface RunOptions extends ContainOptions {
  /** The program's descriptors 0, 1 and 2. Default: those of the process that starts it. */
  readonly stdin?: FileDescriptor;
  /** Its descriptor 1. */
  readonly stdout?: FileDescriptor;
  /** Its descriptor 2. */
  readonly stderr?: FileDescriptor;
  /** More descriptors of the program, by their numbers. */
  readonly fds?: ReadonlyMap<number, FileDescriptor>;
  /** Its working directory. Default: that of the process that starts it. */
  readonly cwd?: PathLike;
  /** The signals that it begins with as blocked. Default: those of the process that starts it. */
  readonly sigmask?: ReadonlySet<number>;
  /**
   * Whether the program leads a session of its own, without a terminal: setsid(2). It gets no signals of the terminal
   * then, and where it would be killed (at an interruption, or by its scope), so is its process group. Default false.
   */
  readonly session?: boolean;
  /**
   * Is called if the program was to be killed (at an interruption, or by its scope) and the kernel refused: EPERM, for one
   * that has changed its user. It goes on then.
   */
  readonly onSpared?: () => void;
}

/** What a program is started with that the caller need not wait for. */
export interface SpawnOptions extends RunOptions {
  /** Whether the program outlives its scope, its parent and the controller. */
  readonly detached?: boolean;
}

/** A child that executes a program, or makes a call, or turns out to have failed. */
export interface Started {
  readonly process: ChildProcess;
  /** The error of the step that the kernel has refused, if it has refused one so far. */
  readonly failure: () => Effect.Effect<SyscallError | undefined, SyscallFailure>;
  /** Frees the child's stack. Only for a child that no longer needs it. */
  readonly freeStack: () => Effect.Effect<void>;
}

/**
 * Watches a child that makes system calls by itself, and so may fail at one. The caller sees to its end.
 *
 * @param holder holds what is open for the child, as long as the child exists
 */
export const watched = (
  parent: ThreadFields,
  holder: Scope.Scope,
  make: Effect.Effect<Cloned, HandleFailure, Scope.Scope>,
): Effect.Effect<Started, HandleFailure> =>
  Effect.suspend(() => {
    const life = Scope.forkUnsafe(holder);
    const made = Effect.onError(Scope.provide(make, life), (cause) =>
      Scope.close(life, Exit.failCause(cause)),
    );
    return Effect.flatMap(made, (cloned) => {
      // The error is read from the stack, which is freed with the child: so it is kept.
      let known: Exit.Exit<SyscallError | undefined, SyscallFailure> | undefined;
      const failure = Effect.suspend(
        () =>
          known ??
          Effect.flatMap(Effect.exit(cloned.failure()), (exit) => {
            known = exit;
            return exit;
          }),
      );
      const freeStack = Effect.flatMap(Effect.exit(failure), () => cloned.freeStack());
      return Effect.flatMap(Scope.addFinalizer(life, freeStack), () =>
        Effect.map(
          Effect.onError(ChildProcess.watch(parent, { ...cloned, life }, Effect.void), () =>
            abandon(cloned),
          ),
          (process): Started => ({
            process,
            failure: () => failure,
            freeStack: () => freeStack,
          }),
        ),
      );
    });
  });

const start = (
  parent: Starter,
  command: Command,
  {
    stdin,
    stdout,
    stderr,
    fds,
    cwd,
    sigmask,
    session = false,
    detached = false,
    onSpared,
  }: SpawnOptions,
  untilExec: FileDescriptor | undefined,
): Effect.Effect<Started, HandleFailure, Scope.Scope> => {
  const given = new Map(fds);
  for (const [number, fd] of [stdin, stdout, stderr].entries())
    if (fd !== undefined) given.set(number, fd);
  const spawned = (envp: ReadonlyArray<Uint8Array>) =>
    spawn(parent.task, {
      path: command.executable,
      argv: command.argv,
      envp,
      fds: given,
      cwd,
      sigmask,
      session,
      untilExec,
      deathSignal: detached ? undefined : SIG.KILL,
    });
  const end = (process: ChildProcess) => {
    const killed =
      onSpared === undefined
        ? process.killAndWait()
        : Effect.andThen(tellIfSpared(process, onSpared), process.killAndWait());
    // The group is killed first: its number is certainly its own until its leader was waited for.
    return session ? Effect.andThen(Effect.ignore(process.killpg(SIG.KILL)), killed) : killed;
  };
  return Effect.uninterruptible(
    Effect.flatMap(Effect.scope, (scope) => {
      const envp = Effect.andThen(parent.beforeChildren(), parent.environ.stringsFor(command));
      return Effect.flatMap(
        watched(parent, detached ? parent.scope : scope, Effect.flatMap(envp, spawned)),
        (started) => {
          const { process } = started;
          process.executes(command);
          return detached
            ? Effect.succeed(started)
            : Effect.as(
                Scope.addFinalizerExit(scope, () => end(process)),
                started,
              );
        },
      );
    }),
  );
};

const tellIfSpared = (process: ChildProcess, onSpared: () => void): Effect.Effect<void> =>
  Effect.suspend(() =>
    process.state === undefined
      ? Effect.ignore(catchErrno(process.kill(SIG.KILL), "EPERM", () => Effect.sync(onSpared)))
      : Effect.void,
  );

const orFail = (failure: SyscallError | undefined): Effect.Effect<void, SyscallError> =>
  failure === undefined ? Effect.void : Effect.fail(failure);

/** Starts a program and waits until it runs, or the kernel refuses. */
export const spawnProcess = (
  parent: Starter,
  command: Command,
  options: SpawnOptions,
): Effect.Effect<ChildProcess, HandleFailure, Scope.Scope> =>
  orByShell(parent.task, command, options.cwd, (command) => spawnOnce(parent, command, options));

/** Runs a program to its end. */
export const runProcess = (
  parent: Starter,
  command: Command,
  options: RunOptions,
): Effect.Effect<ChildState, HandleFailure> =>
  orByShell(parent.task, command, options.cwd, (command) => runOnce(parent, command, options));

const spawnOnce = Effect.fnUntraced(function* (
  parent: Starter,
  command: Command,
  options: SpawnOptions,
): Effect.fn.Return<ChildProcess, HandleFailure, Scope.Scope> {
  // The last writer of the pipe is closed when the child executes the program.
  const scope = yield* Scope.make();
  const { process, failure, freeStack } = yield* Effect.gen(function* () {
    const [reader, writer] = yield* Scope.provide(pipe(parent.task), scope);
    reader.closeOnFork = true;
    writer.closeOnFork = true;
    const started = yield* start(parent, command, options, writer);
    yield* writer.close();
    const epoller = yield* parent.epoller();
    const gone = yield* Deferred.make<void>();
    yield* Scope.provide(
      epoller.watch(reader, () => Deferred.doneUnsafe(gone, Effect.void)),
      scope,
    );
    yield* epoller.holding(Deferred.await(gone));
    return started;
  }).pipe(Effect.onExit((exit) => Scope.close(scope, exit)));
  yield* Effect.flatMap(failure(), orFail);
  yield* freeStack();
  return process;
});

const runOnce = (
  parent: Starter,
  command: Command,
  options: RunOptions,
): Effect.Effect<ChildState, HandleFailure> =>
  Effect.scoped(
    Effect.flatMap(start(parent, command, options, undefined), ({ process, failure }) =>
      Effect.flatMap(process.wait(), (state) =>
        Effect.flatMap(failure(), (error) =>
          error === undefined ? Effect.succeed(state) : Effect.fail(error),
        ),
      ),
    ),
  );
