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

/** Options of a StdinTask. */
export interface StdinTaskOptions {
  /** How long to wait until the task answers. Default 10 seconds; too short if the command asks for a password. */
  readonly timeout?: Duration.Input;
  /** Whether calls and memory use shared memory, if that is possible. Default true. */
  readonly sharedMemory?: boolean;
  /** The path of `rsyscall-task` as the command sees it. Default: the one of this package. */
  readonly executable?: PathLike;
  /**
   * Gets the bytes of stderr as they arrive: from the command, the process, and the programs that it runs without
   * another stderr. It is called in the event loop, and must not throw. Default: only the end of the output is kept.
   */
  readonly onStderr?: (bytes: Uint8Array) => void;
}

/**
 * A process behind a command that may close all descriptors but stdin: sudo(8), setpriv(1), unshare(1), chroot(1),
 * `env -i`. Its stdin is a Unix socket that carries everything else; its stdout is that of the Thread.
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
   * Runs a command in a child of a Thread, and takes over the process to which it leads. The scope ends both.
   *
   * @param command makes the command from the words that it must execute
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
        // If the process has executed another program, that program does not see the hang-up.
        bootstrapped.hasEnded()
          ? Effect.void
          : launched.letEnd(bootstrapped.thread.task.sysif.close()),
      );
      return new StdinTask(bootstrapped, launched);
    });
    // If the command does not lead to a task, it may never end by itself.
    return allOrNothing(acquire);
  }
}
