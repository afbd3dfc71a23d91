import { POLL } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type HandleFailure, type PipeReader, pollNow } from "@rsyscall/handle";
import { oneLine } from "@rsyscall/near";
import type { ChildProcess, Command, SpawnOptions, Thread } from "@rsyscall/thread";
import { Duration, Effect, Fiber, type Scope } from "effect";
import { HandshakeError, type HandshakeProblem, LaunchError } from "./errors.ts";
import { Tail } from "./internal/Tail.ts";

/** Bytes of stderr tail that are kept. */
const STDERR_SIZE = 64 * 1024;

/**
 * How long a command that has hung up gets to end, so that its status can be told, and the end of one that has
 * ended to be seen behind all that it has said.
 */
const END_TIMEOUT = "1 second";

type OnStderr = ((bytes: Uint8Array) => void) | undefined;

/** How a command is started that becomes a transport. */
export interface LaunchOptions extends Omit<SpawnOptions, "stderr"> {
  /** Gets what the command writes to stderr, as it comes. */
  readonly onStderr?: OnStderr;
  /** The command as errors show it, if that is not all of it. */
  readonly shown?: Command;
}

/** A command that leads to a Thread, and what it says meanwhile. */
export class Launched {
  /** The command, to wait for it and to signal it. */
  readonly process: ChildProcess;
  readonly #command: Command;
  readonly #stderr: Stderr;

  constructor(process: ChildProcess, command: Command, stderr: Stderr) {
    this.process = process;
    this.#command = command;
    this.#stderr = stderr;
  }

  /** What the command has written to stderr so far: the last 64 KiB of it. */
  get stderr(): string {
    return this.#stderr.text;
  }

  /**
   * For the end of the scope of a Thread: hangs up, and gives the command a moment to end by itself. One that is
   * killed leaves the process behind it as a zombie, where the first process reaps no orphans, as in most containers.
   */
  letEnd<E>(hangUp: Effect.Effect<void, E>): Effect.Effect<void> {
    return Effect.andThen(Effect.ignore(hangUp), this.process.wait()).pipe(
      Effect.timeout(END_TIMEOUT),
      Effect.ignore,
    );
  }

  /** Waits until the command has ended, and says how. */
  get #end(): Effect.Effect<string> {
    return Effect.map(Effect.exit(this.process.wait()), () =>
      this.process.state === undefined ? "it is out of reach" : `it ${this.process.state}`,
    );
  }

  /**
   * Runs what depends on the command's answer. If it fails, if the command ends first, or if it takes too
   * long, the error has what the command said.
   */
  within<A, E extends Error, R>(
    timeout: Duration.Input,
    effect: Effect.Effect<A, E, R>,
  ): Effect.Effect<A, LaunchError, R> {
    const failed = (problem: string, kind?: HandshakeProblem, cause?: unknown) =>
      Effect.flatMap(this.#stderr.finish(), () => {
        const { stderr } = this;
        return Effect.fail(
          new LaunchError({ command: String(this.#command), problem, kind, stderr, cause }),
        );
      });
    const kindOf = (error: E) => (error instanceof HandshakeError ? error.kind : undefined);
    const hasFailed = (error: E) =>
      this.#end.pipe(
        Effect.timeout(END_TIMEOUT),
        Effect.matchEffect({
          onFailure: () => failed(error.message, kindOf(error), error),
          onSuccess: (end) =>
            failed(
              kindOf(error) === "HungUp" ? end : `${error.message}; ${end}`,
              kindOf(error),
              error,
            ),
        }),
      );
    const hasEnded = Effect.flatMap(this.#end, (end) => Effect.delay(failed(end), END_TIMEOUT));
    const limit = Duration.format(Duration.fromInputUnsafe(timeout));
    return Effect.raceFirst(Effect.catch(effect, hasFailed), hasEnded).pipe(
      Effect.timeout(timeout),
      Effect.catchTag("TimeoutError", () => {
        const { state } = this.process;
        const end = state === undefined ? "" : `; it ${state}`;
        return failed(`no answer within ${limit}${end}`, "TimedOut");
      }),
    ) as Effect.Effect<A, LaunchError, R>;
  }
}

oneLine(Launched, ({ process }) => String(process));

/** Starts a command that leads to a Thread. The scope ends it. */
export const launch: (
  parent: Thread,
  command: Command,
  options: LaunchOptions,
) => Effect.Effect<Launched, HandleFailure, Scope.Scope> = Effect.fnUntraced(function* (
  parent,
  command,
  { onStderr, shown = command, ...options },
) {
  const [reader, writer] = yield* parent.pipe();
  const stderr = yield* Stderr.make(parent, reader, onStderr);
  const process = yield* parent.spawn(command, { ...options, stderr: writer });
  yield* writer.close();
  return new Launched(process, shown, stderr);
});

/** Keeps the end of what is written to a pipe. It is read all the time, so that no writer has to wait. */
class Stderr {
  readonly #afd: AsyncFileDescriptor<PipeReader>;
  readonly #onBytes: OnStderr;
  readonly #tail = new Tail(STDERR_SIZE);
  #hasEnded = false;
  #reading: Fiber.Fiber<void> | undefined;

  private constructor(afd: AsyncFileDescriptor<PipeReader>, onBytes: OnStderr) {
    this.#afd = afd;
    this.#onBytes = onBytes;
  }

  static make(
    thread: Thread,
    reader: PipeReader,
    onBytes: OnStderr,
  ): Effect.Effect<Stderr, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const stderr = new Stderr(yield* thread.makeAfd(reader), onBytes);
      const reading: Effect.Effect<void, HandleFailure> = Effect.flatMap(stderr.#read, () =>
        stderr.#hasEnded ? Effect.void : reading,
      );
      stderr.#reading = yield* Effect.forkScoped(Effect.ignore(reading));
      return stderr;
    });
  }

  /** Reads once. Uninterruptible: bytes that have left the pipe are kept. */
  readonly #read: Effect.Effect<void, HandleFailure> = Effect.suspend(() =>
    this.#afd.takeBytes(STDERR_SIZE, (bytes) => {
      this.#hasEnded = bytes.length === 0;
      this.#tail.push(bytes);
      if (!this.#hasEnded) this.#onBytes?.(bytes);
    }),
  );

  get text(): string {
    return new TextDecoder().decode(this.#tail.bytes);
  }

  /** Reads what is in the pipe, and then no more. */
  finish(): Effect.Effect<void> {
    const drain: Effect.Effect<void, HandleFailure> = Effect.suspend(() =>
      this.#hasEnded
        ? Effect.void
        : Effect.flatMap(pollNow(this.#afd.handle, POLL.IN), (events) =>
            events === 0 ? Effect.void : Effect.andThen(this.#read, drain),
          ),
    );
    return Effect.andThen(
      this.#reading === undefined ? Effect.void : Fiber.interrupt(this.#reading),
      Effect.ignore(drain),
    );
  }
}
