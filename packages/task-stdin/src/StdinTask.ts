import { allOrNothing } from "@rsyscall/connection";
import type { HandleFailure } from "@rsyscall/handle";
import { taskPath } from "@rsyscall/native";
import { Path, type PathLike } from "@rsyscall/near";
import type { Command, Thread } from "@rsyscall/thread";
import {
  bootstrapThread,
  handshake,
  type LaunchError,
  LaunchedTask,
  launch,
  openSocket,
  passingTransport,
} from "@rsyscall/transport";
import { type Duration, Effect, type Scope } from "effect";

export interface StdinTaskOptions {
  /** How long the command may take until the task answers. Default 10 seconds; more where it asks for a password. */
  readonly timeout?: Duration.Input;
  /** Whether calls and memory go through memory that both sides share, where they can. Default true. */
  readonly sharedMemory?: boolean;
  /** The executable `rsyscall-task`, where the command sees it. Default: the one of this package. */
  readonly executable?: PathLike;
  /**
   * Gets what is written to stderr, as it comes: by the command, by the process, and by all that it runs and
   * gives no other. It is called in the event loop, and must not throw. Default: all but the end is lost.
   */
  readonly onStderr?: (bytes: Uint8Array) => void;
}

/**
 * A process behind a command that keeps nothing but its stdin: sudo(8), setpriv(1), unshare(1), chroot(1),
 * `env -i`. Its stdin is a Unix socket that carries all the rest; stdout is the Thread's own.
 *
 * @example
 * ```ts
 * import { StdinTask } from "@rsyscall/task-stdin";
 * import { Command, LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const local = yield* LocalThread;
 *   const { thread } = yield* StdinTask.make(local, (...words) =>
 *     Command.make("/usr/bin/env", "-i", "--", ...words),
 *   );
 *   return thread.environ.get("HOME"); // undefined
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class StdinTask extends LaunchedTask {
  /**
   * Runs a command in a child of a Thread, and takes over the process that it leads to. The scope ends both.
   *
   * @param command makes it of the words that it has to execute
   */
  static make(
    parent: Thread,
    command: (...words: [program: string, ...args: ReadonlyArray<string>]) => Command,
    {
      timeout = "10 seconds",
      sharedMemory = true,
      executable = taskPath,
      onStderr,
    }: StdinTaskOptions = {},
  ): Effect.Effect<StdinTask, HandleFailure | LaunchError, Scope.Scope> {
    const acquire = Effect.gen(function* () {
      const { socket, far, connection } = yield* openSocket(parent);
      const program = Path.make(executable).text;
      const launched = yield* launch(parent, command(program, "stdin"), {
        stdin: far,
        onStderr,
      });
      yield* far.close();
      const policy = { handshakeTimeout: timeout, allow: () => true, descriptionLimit: 2 ** 23 };
      const bootstrapped = yield* launched.within(
        timeout,
        Effect.flatMap(handshake(socket, policy), (greeted) =>
          bootstrapThread(
            {
              ...passingTransport(connection, socket.handle, sharedMemory),
              ancestor: launched.process.ancestor,
            },
            greeted,
          ),
        ),
      );
      yield* Effect.addFinalizer(() =>
        // If it has become another program, that does not hear that we hang up.
        bootstrapped.hasEnded()
          ? Effect.void
          : launched.letEnd(bootstrapped.thread.task.sysif.close()),
      );
      return new StdinTask(bootstrapped, launched);
    });
    // A command that leads nowhere may never end by itself.
    return allOrNothing(acquire);
  }
}
