import { SHUT } from "@rsyscall/abi";
import { AsyncFileDescriptor, type Epoller } from "@rsyscall/epoller";
import { type FileDescriptor, type HandleFailure, Socket } from "@rsyscall/handle";
import { LocalSyscallInterface, SyscallError } from "@rsyscall/near";
import { Cause, Deferred, Effect, type PlatformError, type Scope, Sink, Stream } from "effect";
import type { ChildProcess } from "effect/process";
import { platformError } from "../platformError.ts";
import { badArgument, type InputPlan, MODULE, type OutputPlan } from "./processPlan.ts";
import { writeAllWithoutSignal } from "./writeWithoutSignal.ts";

export type InputSink = Sink.Sink<void, Uint8Array, never, PlatformError.PlatformError>;
export type OutputStream = Stream.Stream<Uint8Array, PlatformError.PlatformError>;

/** The streams and sinks of a program, by the numbers of its descriptors. */
export interface Streams {
  readonly sinks: ReadonlyMap<number, InputSink>;
  readonly streams: ReadonlyMap<number, OutputStream>;
  /** Closes our end: the program gets SIGPIPE when it writes to the descriptor. */
  readonly stopReading: (number: number) => Effect.Effect<void>;
}

const NAMES = ["stdin", "stdout", "stderr"];

const nameOf = (number: number): string => NAMES[number] ?? `fd${number}`;

/** Makes streams and sinks of our ends. */
export const makeStreams = Effect.fnUntraced(function* (
  epoller: Epoller,
  ends: ReadonlyMap<number, FileDescriptor>,
  plan: {
    readonly name: string;
    readonly inputs: ReadonlyMap<number, InputPlan>;
    readonly outputs: ReadonlyMap<number, OutputPlan>;
  },
): Effect.fn.Return<Streams, PlatformError.PlatformError, Scope.Scope> {
  const sinks = new Map<number, InputSink>();
  const streams = new Map<number, OutputStream>();
  const readers = new Map<number, AsyncFileDescriptor>();
  for (const [number, end] of ends) {
    const input = plan.inputs.get(number);
    const output = plan.outputs.get(number);
    const failed = (method: string) =>
      platformError(MODULE, `${method}(${nameOf(number)})`, plan.name);
    if (input === undefined && output === undefined) continue;
    const afd = yield* Effect.mapError(
      AsyncFileDescriptor.make(epoller, end),
      platformError(MODULE, "spawn", plan.name),
    );
    if (input !== undefined) sinks.set(number, sinkOf(epoller, afd, input, failed("fromWritable")));
    if (output !== undefined) {
      readers.set(number, afd);
      const stream = Stream.mapError(afd.stream(), failed("fromReadable"));
      streams.set(
        number,
        output.sink === undefined ? stream : Stream.transduce(stream, output.sink),
      );
    }
  }
  return {
    sinks,
    streams,
    stopReading: (number) => Effect.ignore(readers.get(number)?.close() ?? Effect.void),
  };
});

const bytesOf = (
  chunk: unknown,
  encoding: ChildProcess.Encoding,
): Effect.Effect<Uint8Array, PlatformError.PlatformError> =>
  chunk instanceof Uint8Array
    ? Effect.succeed(chunk)
    : typeof chunk === "string" && Buffer.isEncoding(encoding)
      ? Effect.sync(() => Buffer.from(chunk, encoding))
      : Effect.fail(badArgument("fromWritable", "What is written is neither bytes nor text"));

const isSocket = (afd: AsyncFileDescriptor): afd is AsyncFileDescriptor<Socket> =>
  afd.handle instanceof Socket;

/** Writes all bytes. Without a reader it fails with EPIPE, and never raises SIGPIPE. */
const writeAll = (
  epoller: Epoller,
  afd: AsyncFileDescriptor,
  bytes: Uint8Array,
): Effect.Effect<void, HandleFailure> =>
  isSocket(afd)
    ? afd.sendAllBytes(bytes)
    : // Node ignores SIGPIPE, and waits for room at less cost.
      LocalSyscallInterface.of(afd.handle.task.sysif) !== undefined
      ? afd.writeAllBytes(bytes)
      : writeAllWithoutSignal(epoller, afd.handle, bytes);

const sinkOf = (
  epoller: Epoller,
  afd: AsyncFileDescriptor,
  { endOnDone, encoding }: InputPlan,
  failed: (error: Error) => PlatformError.PlatformError,
): InputSink => {
  let hasEnded = false;
  const write = (bytes: Uint8Array): Effect.Effect<void, Error> =>
    hasEnded
      ? Effect.fail(new Error("the end was written already"))
      : writeAll(epoller, afd, bytes);
  const take = (chunk: Uint8Array) =>
    Effect.flatMap(bytesOf(chunk, encoding), (bytes) => Effect.mapError(write(bytes), failed));
  const sink = Sink.forEach(take);
  const end = Effect.suspend(() => {
    if (hasEnded) return Effect.void;
    hasEnded = true;
    return Effect.ignore(isSocket(afd) ? afd.handle.shutdown(SHUT.WR) : afd.close());
  });
  return endOnDone ? Sink.ensuring(sink, end) : sink;
};

/** Whether a failure only says that the program has stopped reading, or has ended: that is no error. */
const isDisregard = (error: unknown): boolean => {
  const cause = (error as PlatformError.PlatformError | undefined)?.reason?.cause;
  return cause instanceof SyscallError && (cause.errno === "EPIPE" || cause.errno === "ECONNRESET");
};

/**
 * Writes a stream to a program, for as long as the scope is open. A failure of the stream itself completes
 * `failure`.
 */
export const feed = (
  stream: OutputStream,
  sink: InputSink,
  failure: Deferred.Deferred<never, PlatformError.PlatformError>,
  afterwards: Effect.Effect<void> = Effect.void,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.forkScoped(
      Effect.ensuring(
        Effect.catchCause(Stream.run(stream, sink), (cause) =>
          Cause.hasInterruptsOnly(cause) || isDisregard(Cause.squash(cause))
            ? Effect.void
            : Deferred.failCause(failure, cause),
        ),
        afterwards,
      ),
    ),
  );
