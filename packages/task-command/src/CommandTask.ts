import { readFile } from "node:fs/promises";
import { AsyncFileDescriptor, AsyncReadBuffer, type Epoller } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { taskPath } from "@rsyscall/native";
import { type PathLike, pathText } from "@rsyscall/near";
import type { ChildProcess, Command, Thread } from "@rsyscall/thread";
import {
  bootstrapThread,
  HandshakeError,
  handshake,
  type LaunchError,
  launch,
} from "@rsyscall/transport";
import { type Duration, Effect, type Scope } from "effect";
import { bootScript, READY } from "./bootScript.ts";
import { MultiplexedConnection } from "./MultiplexedConnection.ts";
import { Multiplexer } from "./Multiplexer.ts";

export interface CommandTaskOptions {
  /** How long the command may take until the task answers. Default 10 seconds; more where it asks for a password. */
  readonly timeout?: Duration.Input;
  /**
   * The executable `rsyscall-task`, where it is already at the other end. Then not even a shell is needed
   * there. Default: it is sent.
   */
  readonly executable?: PathLike;
  /**
   * Executables `rsyscall-task` to send, by the machine that uname(1) tells: `x86_64`, `aarch64`. Default:
   * the one of this package, for the machine that this is.
   */
  readonly executables?: Readonly<Record<string, PathLike>>;
}

/** Machines by the names that Node has for them. */
const machines: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

const ownExecutables = { [machines[process.arch] as string]: taskPath };

/** What others may write before the script does: a login message, for example. */
const PREAMBLE_SIZE = 64 * 1024;

/**
 * A process behind a command's stdin and stdout, which carry bytes and nothing else: docker-exec(1),
 * `kubectl exec -i`, nsenter(1), ssh(1), `su -c`. Nothing of ours has to be there: the executable is sent,
 * and leaves nothing behind. It needs a POSIX shell, and a directory where programs can be executed, or
 * perl(1).
 *
 * It ends with its scope, and when the command, the controller or the way to it ends. From a Thread behind one
 * command another can be launched: a container on another host.
 *
 * @example
 * ```ts
 * import { CommandTask } from "@rsyscall/task-command";
 * import { Command, LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const local = yield* LocalThread;
 *   const { thread } = yield* CommandTask.launch(local, (...words) =>
 *     Command.make("/usr/bin/env", "-C", "/", ...words),
 *   );
 *   return yield* thread.slurp("/etc/hostname");
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class CommandTask {
  /** The process itself. Its stdin is /dev/null, its stdout the command's stderr. */
  readonly thread: Thread;
  /** The command, a child of the Thread that launched it. */
  readonly process: ChildProcess;
  /** Completes when the process has ended, or is out of reach. */
  readonly ended: Effect.Effect<void>;

  private constructor(thread: Thread, process: ChildProcess, ended: Effect.Effect<void>) {
    this.thread = thread;
    this.process = process;
    this.ended = ended;
  }

  /**
   * Runs a command in a child of a Thread, and takes over the process that it leads to. The scope ends both.
   *
   * @param command makes it of the words that it has to execute
   */
  static launch(
    parent: Thread,
    command: (...words: [program: string, ...args: ReadonlyArray<string>]) => Command,
    { timeout = "10 seconds", executable, executables = ownExecutables }: CommandTaskOptions = {},
  ): Effect.Effect<CommandTask, HandleFailure | LaunchError, Scope.Scope> {
    return Effect.gen(function* () {
      const { accessTask, accessEpoller } = parent.connection;
      const [[near, far]] = (yield* parent.connection.openChannels(1)) as [[Socket, Socket]];
      const there = executable === undefined ? undefined : pathText(executable);
      const launched = yield* launch(
        parent,
        there === undefined ? command("/bin/sh", "-c", bootScript) : command(there, "command"),
        { stdin: far, stdout: far },
      );
      yield* far.close;
      const bootstrap = Effect.gen(function* () {
        if (there === undefined) yield* sendExecutable(near, accessEpoller, executables);
        const multiplexer = yield* Multiplexer.make(near, accessEpoller);
        const socket = yield* AsyncFileDescriptor.make(accessEpoller, multiplexer.first);
        const policy = { handshakeTimeout: timeout, allow: () => true, descriptionLimit: 2 ** 23 };
        const greeted = yield* handshake(socket, policy);
        return yield* bootstrapThread(
          {
            accessTask,
            accessEpoller,
            sendChannels: (message, count) => multiplexer.open(multiplexer.first, count, message),
            connect: (access, task) =>
              new MultiplexedConnection(multiplexer, access, accessEpoller, task),
            sharesMemory: false,
          },
          greeted,
        );
      });
      const { thread, ended } = yield* launched.within(timeout, bootstrap);
      return new CommandTask(thread, launched.process, ended);
    });
  }
}

/** Answers the script with the executable for its machine. */
const sendExecutable = (
  socket: Socket,
  epoller: Epoller,
  executables: Readonly<Record<string, PathLike>>,
): Effect.Effect<void, HandleFailure | HandshakeError> =>
  Effect.gen(function* () {
    const stream = yield* AsyncFileDescriptor.make(epoller, socket);
    const machine = yield* readMachine(new AsyncReadBuffer(stream));
    const path = executables[machine];
    if (path === undefined)
      return yield* new HandshakeError({
        problem: `it leads to a machine ${machine}, and there are executables for ${Object.keys(executables).join(", ")}: build rsyscall-task for it, and give its path as \`executables\``,
      });
    const program = yield* Effect.tryPromise({
      try: () => readFile(pathText(path)),
      catch: (cause) =>
        new HandshakeError({ problem: `cannot read ${pathText(path)}: ${cause}`, cause }),
    });
    yield* stream.sendAllBytes(Buffer.concat([Buffer.from(`${program.length}\n`), program]));
  }).pipe(Effect.scoped);

/** Waits until the script says what machine it is on. */
const readMachine = (
  buffer: AsyncReadBuffer,
): Effect.Effect<string, HandleFailure | HandshakeError> => {
  let preamble = "";
  const readLine: Effect.Effect<string, HandleFailure | HandshakeError> = Effect.flatMap(
    Effect.mapError(
      buffer.readLine,
      (cause) => new HandshakeError({ problem: answered(preamble), cause }),
    ),
    (line): Effect.Effect<string, HandleFailure | HandshakeError> => {
      // What others have written need not end in a newline.
      const at = line?.indexOf(READY) ?? -1;
      if (line !== undefined && at >= 0) return Effect.succeed(line.slice(at + READY.length));
      preamble += `${line ?? ""}\n`;
      return line === undefined || preamble.length > PREAMBLE_SIZE
        ? Effect.fail(new HandshakeError({ problem: answered(preamble) }))
        : readLine;
    },
  );
  return readLine;
};

const answered = (preamble: string): string =>
  preamble.trim() === ""
    ? "it has ended before a shell began"
    : `no shell has begun behind it; it said ${JSON.stringify(preamble.trim().slice(0, 500))}`;
