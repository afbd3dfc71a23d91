import { isatty } from "node:tty";
import { SIG } from "@rsyscall/abi";
import type { ChildState, HandleFailure } from "@rsyscall/handle";
import { type ExecRunOptions, ExecWatch } from "@rsyscall/seccomp";
import type { ExecutableNotFoundError, Thread } from "@rsyscall/thread";
import { Deferred, Effect } from "effect";

/** How long what a command leaves behind may take before the user is told. */
const PATIENCE = "1 second";

/** A command line: a program, which is looked for in PATH unless it has a slash, and its arguments. */
export type CommandLine = readonly [program: string, ...args: ReadonlyArray<string>];

/** The exit status that a shell gives for the end of a command. */
export const shellStatus = (state: ChildState): number =>
  state.exitStatus ?? 128 + (state.signal ?? 0);

/**
 * Runs a command in the foreground, as a shell does, and gives how it ended.
 *
 * Signals that would end this process end the command instead, so that a report can follow: SIGTERM and SIGHUP are
 * passed on. A terminal sends SIGINT to both; it is passed on if there is no terminal. The third of them kills the
 * whole tree.
 *
 * @param onBackground gets the processes that are left a second after the command has ended
 */
export const supervise = (
  thread: Thread,
  [program, ...args]: CommandLine,
  options: ExecRunOptions<unknown>,
  onBackground: (pids: ReadonlyArray<number>) => void,
): Effect.Effect<ChildState, HandleFailure | ExecutableNotFoundError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const command = (yield* thread.which(program)).argv0(program).args(...args);
      const enough = yield* Deferred.make<void>();
      let pass = (_: number): void => {};
      yield* signals((signal, count) => {
        // `process.stdin` would open a stream on a descriptor that is the command's.
        const isFromTerminal = signal === SIG.INT && isatty(0);
        if (count >= 3) Deferred.doneUnsafe(enough, Effect.void);
        else if (!isFromTerminal || count > 1) pass(isFromTerminal ? SIG.TERM : signal);
      });
      const watch = yield* ExecWatch.make(thread, command, options);
      pass = (signal) => void Effect.runFork(Effect.ignore(watch.process.kill(signal)));
      const state = yield* Effect.raceFirst(
        watch.wait(),
        Effect.andThen(
          Deferred.await(enough),
          Effect.andThen(watch.process.kill(SIG.KILL), watch.wait()),
        ),
      );
      if (options.rest !== "kill") {
        const told = Effect.andThen(
          Effect.sleep(PATIENCE),
          Effect.suspend(() => {
            if (watch.pids.length > 0) onBackground(watch.pids);
            return Effect.never;
          }),
        );
        yield* Effect.raceAllFirst([watch.over(), Deferred.await(enough), told]);
      }
      return state;
    }),
  );

const names = { SIGINT: SIG.INT, SIGTERM: SIG.TERM, SIGHUP: SIG.HUP } as const;

/** Handles the signals that would end this process, until the scope closes. */
const signals = (onSignal: (signal: number, count: number) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let count = 0;
      const listeners = Object.entries(names).map(([name, signal]) => {
        const listener = () => onSignal(signal, ++count);
        process.on(name, listener);
        return { name, listener };
      });
      return listeners;
    }),
    (listeners) =>
      Effect.sync(() => {
        for (const { name, listener } of listeners) process.off(name, listener);
      }),
  );
