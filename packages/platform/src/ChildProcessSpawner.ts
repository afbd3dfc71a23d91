import type { FileDescriptor } from "@rsyscall/handle";
import type { Thread } from "@rsyscall/thread";
import { Deferred, Effect, Exit, Layer, type PlatformError, Scope, Sink, Stream } from "effect";
import { type ChildProcess, ChildProcessSpawner } from "effect/process";
import { end } from "./internal/processEnd.ts";
import {
  endingOf,
  flatten,
  isDirect,
  MODULE,
  type Plan,
  planOf,
  sourcesOf,
  targetOf,
  withGiven,
  withInput,
  withShared,
} from "./internal/processPlan.ts";
import { type Started, start } from "./internal/processStart.ts";
import {
  feed,
  type InputSink,
  makeStreams,
  type OutputStream,
  type Streams,
} from "./internal/processStreams.ts";
import { platformError } from "./platformError.ts";

/**
 * Effect's ChildProcessSpawner over a Thread: programs are children of that process, see what it sees, and
 * have its environment and directory where the command says nothing else. They behave as those of Effect's
 * own spawner for Node, and these things are better:
 *
 * - The commands of a pipeline have the two ends of one pipe wherever no sink, stream or duplex descriptor
 *   is between them: no byte comes here, and a program whose reader is gone gets SIGPIPE.
 * - A process group is known by a pidfd (since Linux 6.9), which never means another one.
 * - Bad arguments are errors of type BadArgument, and never defects.
 *
 * With `detached: false` a program stays in the session and process group of the Thread, is killed by the
 * kernel when the process of the Thread dies, and is signalled alone.
 *
 * A scope ends its programs with `killSignal` and waits for them: without `forceKillAfter` as long as it
 * takes. A program that was unref'ed is left alone, without our ends of its pipes, and
 * can still be killed as long as the Thread is there.
 *
 * @example
 * ```ts
 * import { ThreadChildProcessSpawner } from "@rsyscall/platform";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 * import { ChildProcess, ChildProcessSpawner } from "effect/process";
 *
 * const program = Effect.gen(function* () {
 *   const spawner = yield* ChildProcessSpawner.ChildProcessSpawner;
 *   return yield* spawner.string(ChildProcess.make`uname -s`);
 * });
 * const there = Effect.gen(function* () {
 *   const child = yield* (yield* LocalThread).fork();
 *   return yield* Effect.provide(program, ThreadChildProcessSpawner.layer(child));
 * });
 * await Effect.runPromise(there.pipe(Effect.scoped, Effect.provide(LocalThread.layer))); // "Linux\n"
 * ```
 */
export const layer = (
  thread: Thread,
  options: SpawnerOptions = {},
): Layer.Layer<ChildProcessSpawner.ChildProcessSpawner> =>
  Layer.sync(ChildProcessSpawner.ChildProcessSpawner, () => make(thread, options));

/** Options of a spawner. */
export interface SpawnerOptions {
  /**
   * Whether the kernel kills programs of which `detached` is not given when the process of the Thread dies, as with
   * `detached: false`; they have a session and a process group of their own all the same. Default false.
   */
  readonly endsWithThread?: boolean;
}

/** The service: see `layer`. */
export const make = (
  thread: Thread,
  { endsWithThread = false }: SpawnerOptions = {},
): ChildProcessSpawner.ChildProcessSpawner["Service"] =>
  ChildProcessSpawner.make((command) => spawn(thread, command, endsWithThread));

type Failure = PlatformError.PlatformError;

/** A program of a pipeline, and our ends of its descriptors. */
interface Member extends Streams {
  readonly plan: Plan;
  readonly started: Started;
}

const spawn = Effect.fnUntraced(function* (
  thread: Thread,
  command: ChildProcess.Command,
  endsWithThread: boolean,
): Effect.fn.Return<ChildProcessSpawner.ChildProcessHandle, Failure, Scope.Scope> {
  // If one of the programs cannot be started, those before it end.
  const scope = yield* Scope.fork(yield* Effect.scope);
  return yield* startAll(thread, command, endsWithThread).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
  );
});

const startAll = Effect.fnUntraced(function* (
  thread: Thread,
  command: ChildProcess.Command,
  endsWithThread: boolean,
): Effect.fn.Return<ChildProcessSpawner.ChildProcessHandle, Failure, Scope.Scope> {
  const { commands, pipes } = flatten(command);
  // Every command is checked before the first is started.
  const plans: Array<Plan> = [];
  for (const [i, command] of commands.entries()) {
    const plan = yield* planOf(thread, command, endsWithThread);
    plans.push(i === 0 ? plan : withInput(plan, targetOf(pipes[i - 1]?.to)));
  }
  const failure = yield* Deferred.make<never, Failure>();
  const members: Array<Member> = [];
  /** The descriptor that the next program gets from the one before it. */
  let given: ReadonlyMap<number, FileDescriptor> = new Map();
  let fed: ReturnType<typeof outputOf> | undefined;
  for (let i = 0; i < plans.length; i++) {
    let plan = plans[i] as Plan;
    const next = plans[i + 1];
    const sources = sourcesOf(plan, pipes[i]?.from);
    const target = targetOf(pipes[i]?.to);
    const isNextDirect = next !== undefined && isDirect(plan, sources, next, target);
    if (isNextDirect) {
      plan = withShared(plan, sources);
      plans[i + 1] = withGiven(next, target);
    }

    const started = yield* start(thread, plan, given);
    for (const fd of given.values()) yield* fd.release();
    const streams = yield* makeStreams(started.epoller, started.ends, plan);
    for (const [number, { stream }] of plan.inputs)
      if (stream !== undefined) yield* feed(stream, sinkTo(streams, number), failure);
    if (fed !== undefined)
      yield* feed(fed.stream, sinkTo(streams, targetOf(pipes[i - 1]?.to)), failure, fed.stop);
    members.push({ ...streams, started, plan });

    const [source] = sources;
    const reader = isNextDirect ? started.ends.get(source as number) : undefined;
    given = reader === undefined ? new Map() : new Map([[target, reader]]);
    fed = next === undefined || isNextDirect ? undefined : outputOf(streams, sources);
  }
  return handleOf(members, failure);
});

const sinkTo = ({ sinks }: Streams, number: number): InputSink => sinks.get(number) ?? Sink.drain;

const streamFrom = ({ streams }: Streams, number: number): OutputStream =>
  streams.get(number) ?? Stream.empty;

/** The output of these descriptors as one stream, and an effect that stops reading it. */
const outputOf = (streams: Streams, [first, second]: ReadonlyArray<number>) => {
  const from = (number: number | undefined) =>
    number === undefined ? Stream.empty : streamFrom(streams, number);
  const stop = (number: number | undefined) =>
    number === undefined ? Effect.void : streams.stopReading(number);
  return {
    stream: second === undefined ? from(first) : Stream.merge(from(first), from(second)),
    stop: Effect.andThen(stop(first), stop(second)),
  };
};

/** Makes one process of a pipeline: stdin is the first program's, everything else the last one's. */
const handleOf = (
  members: ReadonlyArray<Member>,
  failure: Deferred.Deferred<never, Failure>,
): ChildProcessSpawner.ChildProcessHandle => {
  const first = members[0] as Member;
  const last = members.at(-1) as Member;
  const { process } = last.started;
  const { name } = last.plan;
  const failed = (method: string) => platformError(MODULE, method, name);
  const ended = Effect.mapError(process.ended(), failed("exitCode"));
  const stdout = streamFrom(last, 1);
  const stderr = streamFrom(last, 2);
  const forAll = (use: (started: Started) => Effect.Effect<void>) =>
    Effect.forEach(members, ({ started }) => use(started), { discard: true });
  return ChildProcessSpawner.makeHandle({
    pid: ChildProcessSpawner.ProcessId(process.pid),
    exitCode: Effect.flatMap(
      Effect.raceFirst(ended, Deferred.await(failure)),
      (state): Effect.Effect<ChildProcessSpawner.ExitCode, Failure> => {
        if (Deferred.isDoneUnsafe(failure)) return Deferred.await(failure);
        return state.exitStatus === undefined
          ? Effect.fail(failed("exitCode")(new Error(`the process ${state}`)))
          : Effect.succeed(ChildProcessSpawner.ExitCode(state.exitStatus));
      },
    ),
    isRunning: Effect.sync(() => process.state === undefined),
    kill: (options = {}) =>
      Effect.flatMap(endingOf("kill", options), (ending) =>
        members.length === 1
          ? Effect.mapError(end(last.started, ending), failed("kill"))
          : // Some programs may have ended before.
            Effect.forEach(members, ({ started }) => Effect.ignore(end(started, ending)), {
              concurrency: "unbounded",
              discard: true,
            }),
      ),
    stdin: sinkTo(first, 0),
    stdout,
    stderr,
    all: Stream.merge(stdout, stderr),
    getInputFd: (fd) => sinkTo(last, fd),
    getOutputFd: (fd) => streamFrom(last, fd),
    unref: Effect.as(
      forAll(({ unref }) => unref()),
      forAll(({ ref }) => ref()),
    ),
  });
};
