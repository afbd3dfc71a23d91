import { POLL } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type HandleFailure, type PipeReader, pollNow } from "@rsyscall/handle";
import type { ChildProcess, Command, SpawnOptions, Thread } from "@rsyscall/thread";
import { Duration, Effect, Fiber, type Scope } from "effect";
import { LaunchError } from "./errors.ts";

/** Of what a command writes to stderr, this much of the end is kept. */
const STDERR_SIZE = 64 * 1024;

/** How long a command that has hung up gets to end, so that its status can be told. */
const END_TIMEOUT = "1 second";

/** A command through which a Thread is to be had, and what it says meanwhile. */
export class Launched {
  readonly process: ChildProcess;
  readonly #command: Command;
  readonly #stderr: Stderr;

  constructor(process: ChildProcess, command: Command, stderr: Stderr) {
    this.process = process;
    this.#command = command;
    this.#stderr = stderr;
  }

  /** What the command has written to stderr: the end of it. */
  get stderr(): string {
    return this.#stderr.text;
  }

  /**
   * Runs what depends on the command's answer. If it fails, if the command ends first, or if it takes too
   * long, the error has what the command said.
   */
  within<A, E extends Error, R>(
    timeout: Duration.Input,
    effect: Effect.Effect<A, E, R>,
  ): Effect.Effect<A, LaunchError, R> {
    const { process } = this;
    const failed = (problem: string, cause?: unknown) =>
      Effect.flatMap(this.#stderr.finish, () => {
        const { stderr } = this;
        return Effect.fail(
          new LaunchError({ command: this.#command.toShell(), problem, stderr, cause }),
        );
      });
    const ended = Effect.flatMap(Effect.exit(process.wait), () => failed(`it ${process.state}`));
    const hasHungUp = (error: E) =>
      ended.pipe(
        Effect.timeout(END_TIMEOUT),
        Effect.catchTag("TimeoutError", () => failed(error.message, error)),
      );
    const limit = Duration.format(Duration.fromInputUnsafe(timeout));
    return Effect.raceFirst(Effect.catch(effect, hasHungUp), ended).pipe(
      Effect.timeout(timeout),
      Effect.catchTag("TimeoutError", () => failed(`no answer within ${limit}`)),
    ) as Effect.Effect<A, LaunchError, R>;
  }
}

/** Starts a command through which a Thread is to be had. The scope ends it. */
export const launch = (
  parent: Thread,
  command: Command,
  options: Omit<SpawnOptions, "stderr">,
): Effect.Effect<Launched, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const [reader, writer] = yield* parent.pipe();
    const stderr = yield* Stderr.make(parent, reader);
    const process = yield* parent.spawn(command, { ...options, stderr: writer });
    yield* writer.close;
    return new Launched(process, command, stderr);
  });

/** The end of what is written to a pipe, which is read all the time, so that nobody has to wait. */
class Stderr {
  readonly #afd: AsyncFileDescriptor<PipeReader>;
  #tail: Uint8Array = new Uint8Array(0);
  #hasEnded = false;
  #reading: Fiber.Fiber<void> | undefined;

  private constructor(afd: AsyncFileDescriptor<PipeReader>) {
    this.#afd = afd;
  }

  static make(
    thread: Thread,
    reader: PipeReader,
  ): Effect.Effect<Stderr, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const stderr = new Stderr(yield* thread.makeAfd(reader));
      const reading: Effect.Effect<void, HandleFailure> = Effect.flatMap(stderr.#read, () =>
        stderr.#hasEnded ? Effect.void : reading,
      );
      stderr.#reading = yield* Effect.forkScoped(Effect.ignore(reading));
      return stderr;
    });
  }

  /** Reads once. What has left the pipe is kept, whatever becomes of the fiber. */
  readonly #read: Effect.Effect<void, HandleFailure> = Effect.suspend(() =>
    this.#afd.takeBytes(STDERR_SIZE, (bytes) => {
      this.#hasEnded = bytes.length === 0;
      this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-STDERR_SIZE);
    }),
  );

  get text(): string {
    return new TextDecoder().decode(this.#tail);
  }

  /** Reads what is in the pipe, and then no more. */
  get finish(): Effect.Effect<void> {
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
