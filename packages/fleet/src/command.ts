import { O, signalName } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type HandleFailure, open } from "@rsyscall/handle";
import { Command, type ExecutableNotFoundError, fieldsOf, type Thread } from "@rsyscall/thread";
import { Cause, type Duration, Effect, Exit, Fiber, Option, Schema, Scope } from "effect";
import { Host, Program } from "./Program.ts";

/** The most bytes of stdout, and of stderr, that are kept if the payload says nothing else: 1 MiB. */
const LIMIT = 1024 * 1024;

/** Bytes that are read at a time. */
const READ_SIZE = 64 * 1024;

/** How long what a program has left in the background may keep its output open before that is cut off. */
const DRAIN = "1 second";

/** What is run. */
export const CommandLine = Schema.Struct({
  /** The program, by its path or its name in the PATH of the host, and its arguments. */
  words: Schema.NonEmptyArray(Schema.String),
  /** Whether the words, joined by spaces, are a text for the login shell of the host, as with ssh(1). Default false. */
  shell: Schema.optionalKey(Schema.Boolean),
  /** The most bytes of stdout, and of stderr, that are kept: the first ones. Default 1 MiB. */
  limit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** How long the program may run, in milliseconds; it is killed then. Default: no limit. */
  timeout: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
});
export type CommandLine = typeof CommandLine.Type;

const output = {
  stdout: Schema.Uint8Array,
  stderr: Schema.Uint8Array,
  /** Bytes of stdout that are not in `stdout`, because there were more than the limit. */
  stdoutCut: Schema.Number,
  /** Bytes of stderr that are not in `stderr`. */
  stderrCut: Schema.Number,
  /**
   * True if a program that was left in the background had the output still open a second after the end: what it has
   * written later is not here, and to write more has failed for it with EPIPE.
   */
  outputOpen: Schema.optionalKey(Schema.Boolean),
};

/** What a user has to know of an `outputOpen`. */
export const OUTPUT_OPEN = "its output was still open after 1 s: what came later is not shown";

/** What a command that exited with status 0 has written. */
export const CommandOutput = Schema.Struct(output);
export type CommandOutput = typeof CommandOutput.Type;

/** A command did not exit with status 0, or could not be run. */
export class CommandError extends Schema.TaggedError<CommandError>()("CommandError", {
  /** 0 to 255, if it has exited; 127 and 126 as of a shell if it was not found, or could not be executed. */
  status: Schema.optionalKey(Schema.Int),
  /** The signal that has killed it: `SIGKILL`. */
  signal: Schema.optionalKey(Schema.String),
  ...output,
  /** What has happened: "exited with status 1". */
  detail: Schema.String,
}) {
  override get message(): string {
    return this.detail;
  }
}

/**
 * A program that runs a command on the host and collects its output, up to a limit. Its stdin is /dev/null. It is in a
 * session of its own: an interruption kills the process that was started and its process group. What a command that came
 * to its end has left in the background goes on, as with ssh(1); but its output is read for one second at most, and
 * `outputOpen` says that there may have been more.
 *
 * @example
 * ```ts
 * import { Cluster, command, Fleet, Hosts } from "@rsyscall/fleet";
 * import { Layer, Stream } from "effect";
 *
 * const fleet = Fleet.layer({ programs: [command] }).pipe(
 *   Layer.provide(Hosts.bySsh()),
 *   Layer.provideMerge(Cluster.memory()),
 * );
 * const events = Fleet.run(command, ["web1", "web2"], { words: ["uptime"] }).pipe(Stream.provide(fleet));
 * ```
 */
export const command = Program.make(
  "rsyscall/command",
  { payload: CommandLine, success: CommandOutput, error: CommandError },
  (line) => Effect.flatMap(Host, ({ thread }) => releasedBehind(thread, runCommand(thread, line))),
);

/**
 * Releases what an effect has acquired when its caller has its result already: the pipes of a command that has ended are
 * closed there in several round trips. What was interrupted is released first, because a program is killed by that.
 */
const releasedBehind = Effect.fnUntraced(function* <A, E, R>(
  thread: Thread,
  effect: Effect.Effect<A, E, R | Scope.Scope>,
): Effect.fn.Return<A, E, Exclude<R, Scope.Scope>> {
  const scope = yield* Scope.make();
  return yield* Effect.onExit(Scope.provide(effect, scope), (exit) => {
    const close = Scope.close(scope, exit);
    return Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)
      ? close
      : Effect.asVoid(Effect.forkIn(close, fieldsOf(thread).scope));
  });
});

/** Runs it, with its output. */
const runCommand = Effect.fnUntraced(function* (
  thread: Thread,
  { words, shell = false, limit = LIMIT, timeout }: CommandLine,
) {
  const { task } = thread;
  // One round trip, for all that does not depend on the other.
  const [program, nothing, out, err] = yield* Effect.all(
    [
      shell ? Effect.succeed(loginShell(thread, words)) : found(thread, words),
      open(task, "/dev/null", O.RDONLY | O.CLOEXEC),
      outputOf(thread, limit),
      outputOf(thread, limit),
    ],
    { concurrency: "unbounded" },
  );
  let isSpared = false;
  const running = thread.run(program, {
    ...{ stdin: nothing, stdout: out.writer, stderr: err.writer },
    session: true,
    onSpared: () => {
      isSpared = true;
    },
  });
  const limited = timeout === undefined ? running : within(running, timeout);
  const both = { concurrency: "unbounded", discard: true } as const;
  // The pipes are prepared for reading while the program starts.
  const read = Effect.forkScoped(Effect.all([out.read(), err.read()], both));
  const [ended, reading] = yield* Effect.all(
    [Effect.exit(limited), Effect.andThen(Effect.all([out.prepare, err.prepare], both), read)],
    { concurrency: "unbounded" },
  );
  // The end of the output can be seen only when no process has the other ends, ours included.
  yield* Effect.all([out.writer.close(), err.writer.close()], both);
  const drained = yield* Effect.timeoutOption(Fiber.await(reading), DRAIN);
  yield* Fiber.interrupt(reading);
  const output = {
    stdout: out.bytes(),
    stderr: err.bytes(),
    stdoutCut: out.cut(),
    stderrCut: err.cut(),
    ...(Option.isNone(drained) ? { outputOpen: true } : {}),
  };
  const failed = (how: { status: number } | { signal: string } | object, detail: string) =>
    new CommandError({
      ...how,
      ...output,
      detail: Option.isNone(drained) ? `${detail}; ${OUTPUT_OPEN}` : detail,
    });
  const state = yield* Effect.catchTag(
    ended,
    "SyscallError",
    (error): Effect.Effect<never, CommandError | HandleFailure> =>
      Effect.fail(error.syscall === "execve" ? failed({ status: 126 }, error.message) : error),
  );
  if (state === "timeout") {
    const late = `did not end within ${(timeout as number) / 1000} s, and`;
    return yield* isSpared
      ? failed({}, `${late} could not be killed: it has changed its user, and goes on`)
      : failed({ signal: "SIGKILL" }, `${late} was killed`);
  }
  if (state.clean) return output;
  return yield* failed(
    state.exitStatus === undefined
      ? { signal: signalName(state.signal as number) }
      : { status: state.exitStatus },
    String(state),
  );
});

const within = <A, E, R>(effect: Effect.Effect<A, E, R>, duration: Duration.Input) =>
  Effect.timeoutOrElse(effect, {
    duration,
    orElse: () => Effect.succeed("timeout" as const),
  });

/** The program of the words, by the PATH of the host. */
const found = (
  thread: Thread,
  [name, ...args]: readonly [string, ...ReadonlyArray<string>],
): Effect.Effect<Command, CommandError | HandleFailure> =>
  Effect.map(thread.which(name), (program) => program.args(...args)).pipe(
    Effect.catchTag("ExecutableNotFoundError", (error: ExecutableNotFoundError) => {
      const nothing = new Uint8Array(0);
      return Effect.fail(
        new CommandError({
          status: error.notExecutable === undefined ? 127 : 126,
          ...{ stdout: nothing, stderr: nothing, stdoutCut: 0, stderrCut: 0 },
          detail: error.message,
        }),
      );
    }),
  );

/** The login shell of the user there, as sshd(8) runs it. Where no login has set SHELL, as in a container: /bin/sh. */
const loginShell = ({ environ }: Thread, words: ReadonlyArray<string>): Command =>
  Command.make(environ.get("SHELL") || "/bin/sh", "-c", words.join(" "));

/** A pipe for output of a program, of which the first bytes are kept. */
const outputOf = Effect.fnUntraced(function* (thread: Thread, limit: number) {
  const [reader, writer] = yield* thread.pipe();
  reader.closeOnFork = true;
  const parts: Array<Uint8Array> = [];
  let length = 0;
  let cut = 0;
  let afd: AsyncFileDescriptor | undefined;
  const readFrom = (afd: AsyncFileDescriptor): Effect.Effect<void, HandleFailure> =>
    length === limit
      ? discard(afd, (count) => {
          cut += count;
        })
      : Effect.flatMap(
          afd.takeBytes(Math.min(READ_SIZE, limit - length), (bytes) => {
            parts.push(bytes);
            length += bytes.length;
            return bytes.length;
          }),
          (count) => (count === 0 ? Effect.void : readFrom(afd)),
        );
  return {
    writer,
    prepare: Effect.map(thread.makeAfd(reader), (made) => {
      afd = made;
    }),
    /** Reads to the end, once it is prepared. */
    read: () => Effect.suspend(() => readFrom(afd as AsyncFileDescriptor)),
    bytes: () => new Uint8Array(Buffer.concat(parts)),
    cut: () => cut,
  };
});

/** Reads to the end into memory there: the bytes do not come here. */
const discard = (
  afd: AsyncFileDescriptor,
  count: (bytes: number) => void,
): Effect.Effect<void, HandleFailure> =>
  afd.handle.task.withMemory(READ_SIZE, 1, (address) => {
    const loop: Effect.Effect<void, HandleFailure> = Effect.flatMap(
      afd.readInto(address, READ_SIZE),
      (bytes) => {
        count(bytes);
        return bytes === 0 ? Effect.void : loop;
      },
    );
    return loop;
  });
