import { randomBytes } from "node:crypto";
import { MSG, SHUT } from "@rsyscall/abi";
import { allOrNothing } from "@rsyscall/connection";
import { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { catchErrno, type PathLike, pathText, printable } from "@rsyscall/near";
import type { ChildProcess, Command, Thread } from "@rsyscall/thread";
import {
  bootstrapThread,
  HandshakeError,
  handshake,
  LaunchError,
  LaunchedTask,
  launch,
} from "@rsyscall/transport";
import { type Duration, Effect, type Scope } from "effect";
import { bootWords, READY, REFUSED, type Refusal, refusals } from "./bootScript.ts";
import type { StreamError } from "./errors.ts";
import { type Executables, readExecutables, readOwnExecutable } from "./executables.ts";
import { LineSearch } from "./internal/LineSearch.ts";
import { MultiplexedConnection } from "./MultiplexedConnection.ts";
import { Multiplexer } from "./Multiplexer.ts";

/** Options of a CommandTask. */
export interface CommandTaskOptions {
  /** How long to wait until the task answers. Default 10 seconds; too short if the command asks for a password. */
  readonly timeout?: Duration.Input;
  /**
   * The path of `rsyscall-task` at the other end, if it is there already. Then not even a shell is needed there.
   * Default: the executable is sent.
   */
  readonly executable?: PathLike;
  /**
   * The `rsyscall-task` executables to send, by machine as in uname(1): `x86_64`, `aarch64`. Default:
   * the one of this package, for the machine of this process.
   */
  readonly executables?: Readonly<Record<string, PathLike>>;
  /**
   * Gets the bytes of stderr as they arrive: from the command, the process, and the programs that it runs. The stdout
   * of the latter two goes there too. It is called in the event loop, and must not throw. Default: only the end of
   * the output is kept.
   */
  readonly onStderr?: (bytes: Uint8Array) => void;
  /**
   * Whether the command leads a session of its own: setsid(2). Then it has no terminal at which it could ask, and Ctrl-C
   * at the terminal reaches the controller alone, which so can still end what it has begun. Default false.
   */
  readonly session?: boolean;
}

/** The number of bytes that other programs may write before the script does: a login message, for example. */
const PREAMBLE_SIZE = 64 * 1024;

/**
 * A process that is reached through the stdin and stdout of a command, which carry only bytes: docker-exec(1),
 * `kubectl exec -i`, nsenter(1), ssh(1), `su -c`. Nothing has to be installed there: the executable is sent, and
 * leaves nothing behind. The other end needs
 *
 * - `/bin/sh`, any POSIX shell;
 * - perl(1), which puts the executable into a memfd, if memfds can be made and executed. Otherwise the executable is a
 *   file for a moment, with an unguessable name and for this user only: that takes chmod(1), ls(1), wc(1), `head -c`,
 *   and a directory in which programs can be executed.
 *
 * If the executable is there already (`executable`), the other end needs nothing.
 *
 * The process ends with its scope, and when the command, the controller or the connection ends. The parent may be any
 * Thread, also one behind another command: a container on another host is a command from a Thread on that host.
 *
 * @example
 * ```ts
 * import { CommandTask } from "@rsyscall/task-command";
 * import { Command, LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const local = yield* LocalThread;
 *   const { thread } = yield* CommandTask.make(local, (...words) =>
 *     Command.make("/usr/bin/env", "-C", "/", ...words),
 *   );
 *   return yield* thread.slurp("/etc/hostname");
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class CommandTask extends LaunchedTask {
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
      executable,
      executables,
      onStderr,
      session = false,
    }: CommandTaskOptions = {},
  ): Effect.Effect<CommandTask, HandleFailure | LaunchError, Scope.Scope> {
    const acquire = Effect.gen(function* () {
      const { accessTask, accessEpoller } = parent.connection;
      const shown =
        executable === undefined
          ? command("/bin/sh", "-c", "...")
          : command(pathText(executable), "command");
      const sent =
        executable === undefined
          ? yield* Effect.mapError(
              executables === undefined ? readOwnExecutable : readExecutables(executables),
              (cause) => {
                const { problem } = cause;
                return new LaunchError({ command: String(shown), problem, stderr: "", cause });
              },
            )
          : undefined;
      const [[near, far]] = (yield* parent.connection.openChannels(1)) as [[Socket, Socket]];
      const launched = yield* launch(parent, sent === undefined ? shown : command(...bootWords), {
        stdin: far,
        stdout: far,
        onStderr,
        shown,
        session,
      });
      yield* far.close();
      const search = new LineSearch(READY, REFUSED);
      let hasShell = false;
      const onShell = () => {
        hasShell = true;
      };
      const begin = Effect.scoped(
        Effect.flatMap(AsyncFileDescriptor.make(accessEpoller, near), (stream) =>
          Effect.andThen(
            sent === undefined ? Effect.void : sendExecutable(stream, search, sent, onShell),
            awaitTask(stream, search),
          ),
        ),
      );
      const bootstrap = Effect.gen(function* () {
        // If the script is killed, it does not remove its file, so the stream is ended first.
        yield* Effect.onError(begin, () => launched.letEnd(near.shutdown(SHUT.RDWR)));
        const multiplexer = yield* Multiplexer.make(near, accessEpoller);
        const socket = yield* AsyncFileDescriptor.make(accessEpoller, multiplexer.first);
        const policy = { handshakeTimeout: timeout, allow: () => true, descriptionLimit: 2 ** 23 };
        // What ends the stream also ends the handshake, which knows no more than that.
        const greeted = yield* Effect.raceFirst(
          Effect.mapError(multiplexer.ended(), noTask),
          handshake(socket, policy),
        );
        const bootstrapped = yield* bootstrapThread(
          {
            accessTask,
            accessEpoller,
            sendChannels: (message, count) => multiplexer.open(multiplexer.first, count, message),
            isCut: (access) => multiplexer.isCut(access),
            relay: (access) => multiplexer.relay(access),
            connect: (access, task) =>
              new MultiplexedConnection(multiplexer, access, accessEpoller, task),
            sharesMemory: false,
          },
          greeted,
        );
        return { multiplexer, bootstrapped };
      });
      const { multiplexer, bootstrapped } = yield* Effect.mapError(
        launched.within(timeout, bootstrap),
        (error) => advised(error, launched.process, sent !== undefined, hasShell),
      );
      yield* Effect.addFinalizer(() =>
        launched.letEnd(Effect.andThen(multiplexer.leave(), near.shutdown(SHUT.RDWR))),
      );
      return new CommandTask(bootstrapped, launched);
    });
    // If the command does not lead to a task, it may never end by itself.
    return allOrNothing(acquire);
  }
}

/** Makes an unguessable part of a file name. */
const newToken = (): string => randomBytes(12).toString("hex");

/** Makes the error of a stream that has ended before the hello. */
const noTask = (error: StreamError): HandshakeError =>
  error.isBroken
    ? new HandshakeError({
        problem: `what answers behind it is no rsyscall-task: ${error.message}`,
        cause: error,
      })
    : new HandshakeError({ kind: "HungUp", problem: error.message, cause: error });

type Stream = AsyncFileDescriptor<Socket>;

/** Answers the script with the executable for its machine. */
const sendExecutable = Effect.fnUntraced(function* (
  stream: Stream,
  search: LineSearch,
  executables: Executables,
  onShell: () => void,
): Effect.fn.Return<void, HandleFailure | HandshakeError> {
  const machine = yield* readMachine(stream, search);
  onShell();
  // The words of the script have the marker too, followed by a variable of the shell.
  if (machine.startsWith("$"))
    return yield* new HandshakeError({
      problem:
        "the command has written the words that it was given, and must execute them: they are a program and its arguments",
    });
  const program = executables.get(machine);
  if (program === undefined)
    return yield* new HandshakeError({
      problem: `it leads to a machine ${printable(machine, 100)}, and there are executables for ${[...executables.keys()].join(", ")}: build rsyscall-task for it, and give its path in \`executables\``,
    });
  const line = Buffer.from(`${program.length} ${newToken()}\n`);
  // If the far side stops reading, the reason is read from the stream next.
  yield* catchErrno(
    "EPIPE",
    () => Effect.void,
  )(stream.sendAllBytes(Buffer.concat([line, program])));
});

/** Waits until the script names its machine. */
const readMachine = (stream: Stream, search: LineSearch): Effect.Effect<string, HandshakeError> =>
  Effect.flatMap(
    Effect.mapError(stream.readBytes(), (cause) => noShell(search, cause)),
    (bytes): Effect.Effect<string, HandshakeError> => {
      const found = search.find(bytes);
      if (found !== undefined)
        return found.marker === READY
          ? Effect.succeed(found.rest)
          : Effect.fail(refused(found.rest));
      return bytes.length === 0 || search.length > PREAMBLE_SIZE
        ? Effect.fail(noShell(search))
        : readMachine(stream, search);
    },
  );

const noShell = (said: LineSearch, cause?: unknown): HandshakeError =>
  said.beginning === ""
    ? new HandshakeError({ kind: "HungUp", problem: "it has ended before a shell began", cause })
    : new HandshakeError({
        problem: `no shell has begun behind it; it said "${printable(said.beginning)}"`,
        cause,
      });

const refused = (reason: string): HandshakeError => {
  const refusal: Refusal | undefined = Object.hasOwn(refusals, reason)
    ? refusals[reason as keyof typeof refusals]
    : undefined;
  return new HandshakeError(refusal ?? { problem: `it cannot go on: ${printable(reason, 100)}` });
};

/** How long to wait for the end of the first line, if it is not a frame. */
const LINE_TIMEOUT = "1 second";

/**
 * Waits until the stream begins. Its first frame is of channel 0, so its first byte is 0, which is in no text.
 * Text comes from another program, or is the reason why rsyscall-task cannot go on.
 */
const awaitTask = (
  stream: Stream,
  search: LineSearch,
): Effect.Effect<void, HandleFailure | HandshakeError> => {
  const other = Effect.suspend(() =>
    Effect.fail(
      new HandshakeError({
        problem: `what answers behind it is no rsyscall-task: it said "${printable(search.beginning)}"`,
      }),
    ),
  );
  const nothing = new Uint8Array(0);
  const readReason = (bytes: Uint8Array): Effect.Effect<never, HandleFailure | HandshakeError> => {
    const found = search.find(bytes);
    if (found !== undefined) return Effect.fail(refused(found.rest));
    return search.length > PREAMBLE_SIZE
      ? other
      : Effect.flatMap(stream.readBytes(), (more) =>
          more.length === 0 ? other : readReason(more),
        );
  };
  const isText = Effect.suspend(() =>
    search.hasMore
      ? Effect.succeed(true)
      : Effect.map(stream.recvBytes(1, MSG.PEEK), ([first = 0]) => first !== 0),
  );
  return Effect.flatMap(
    isText,
    (isText): Effect.Effect<void, HandleFailure | HandshakeError> =>
      isText
        ? Effect.timeoutOrElse(readReason(nothing), {
            duration: LINE_TIMEOUT,
            orElse: () => other,
          })
        : Effect.void,
  ).pipe(
    // The far side has ended before it has read everything.
    catchErrno("ECONNRESET", (cause) =>
      Effect.fail(new HandshakeError({ kind: "HungUp", problem: "it has ended", cause })),
    ),
  );
};

/** The exit statuses of shells, and of programs like env(1), for a program that cannot be executed. */
const CANNOT_EXECUTE: ReadonlyArray<number | undefined> = [126, 127];

/** Adds a remedy to an error, if the exit status of the command or a timeout suggests one. */
const advised = (
  error: LaunchError,
  { state }: ChildProcess,
  isSent: boolean,
  hasShell: boolean,
): LaunchError => {
  const advice = CANNOT_EXECUTE.includes(state?.exitStatus)
    ? isSent
      ? "it must lead to a POSIX shell, /bin/sh; where there is none, give the path of rsyscall-task there as `executable`"
      : "`executable` must be the path of an rsyscall-task there, for the machine that is there"
    : error.kind === "TimedOut" && isSent && state === undefined
      ? "a slow way, or a person that is asked, needs more time (`timeout`); the executable that is sent has some 30,000 bytes"
      : undefined;
  const isCut = hasShell && state !== undefined && (error.kind ?? "HungUp") === "HungUp";
  if (advice === undefined && !isCut) return error;
  const { command, kind, stderr, cause } = error;
  const problem = advice === undefined ? error.problem : `${error.problem}: ${advice}`;
  return new LaunchError({ command, problem, kind: isCut ? "Cut" : kind, stderr, cause });
};
