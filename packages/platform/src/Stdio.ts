import { Console as NodeConsole } from "node:console";
import { Writable } from "node:stream";
import { TIOC, Winsize } from "@rsyscall/abi";
import type { FileDescriptor } from "@rsyscall/handle";
import { ioctl } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import {
  Console,
  Context,
  Effect,
  Layer,
  type PlatformError,
  type Scope,
  Semaphore,
  Sink,
  Stdio,
  Stream,
} from "effect";
import { platformError } from "./platformError.ts";

const MODULE = "Stdio";

/**
 * Effect's Stdio of a program that called a stub: its arguments, without the name by which it was called,
 * and its stdin, stdout and stderr. Effect's Console writes there too, in order with other output; all of it
 * is written before the layer's scope closes. Writing to a pipe without readers kills the program by SIGPIPE.
 *
 * The descriptors are shared with the caller, so their flags do not change. Before each use they are polled,
 * so they never block the process.
 *
 * @example
 * ```ts
 * import { StubStdio } from "@rsyscall/platform";
 * import { StubServer } from "@rsyscall/stub-server";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect, Stdio, Stream } from "effect";
 *
 * // cat, as a program of Effect that knows nothing of stubs
 * const cat = Effect.flatMap(Stdio.Stdio, (stdio) => Stream.run(stdio.stdin, stdio.stdout()));
 *
 * const program = Effect.gen(function* () {
 *   const server = yield* StubServer.make(yield* LocalThread, "/tmp/mocks", "cat");
 *   yield* server.serve((call) => Effect.provide(cat, StubStdio.layer(call)));
 * });
 * ```
 */
export const layer = (call: StubCall): Layer.Layer<Stdio.Stdio> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { thread } = call;
      const stdout = yield* makeOutput(thread, thread.stdout, "stdout");
      const stderr = yield* makeOutput(thread, thread.stderr, "stderr");
      const stdio = Stdio.make({
        args: Effect.succeed(call.argv.slice(1)),
        stdinIsTerminal: isTerminal(thread.stdin),
        stdoutIsTerminal: isTerminal(thread.stdout),
        stderrIsTerminal: isTerminal(thread.stderr),
        stdin: Stream.mapError(thread.stream(thread.stdin), platformError(MODULE, "stdin", 0)),
        stdout: stdout.sink,
        stderr: stderr.sink,
      });
      const console = new NodeConsole({ stdout: stdout.writable, stderr: stderr.writable });
      return Context.make(Stdio.Stdio, stdio).pipe(Context.add(Console.Console, console));
    }),
  );

/** Whether a descriptor is a terminal: isatty(3). False for a closed one. */
const isTerminal = (fd: FileDescriptor): Effect.Effect<boolean> =>
  Effect.isSuccess(
    Effect.flatMap(fd.borrow(fd.task), (number) =>
      fd.task.withMemory(Winsize.size, Winsize.alignment, (address) =>
        ioctl(fd.task.sysif, number, TIOC.GWINSZ, address),
      ),
    ),
  );

const encoder = new TextEncoder();

/** Writes to a descriptor in the order in which the writes were asked for. */
const makeOutput = Effect.fnUntraced(function* (
  thread: Thread,
  fd: FileDescriptor,
  name: "stdout" | "stderr",
): Effect.fn.Return<
  { readonly sink: Stdio.Stdio["stdout"]; readonly writable: Writable },
  never,
  Scope.Scope
> {
  const order = Semaphore.makeUnsafe(1);
  const failed = platformError(MODULE, name, fd.near);
  const write = (chunk: string | Uint8Array): Effect.Effect<void, PlatformError.PlatformError> =>
    order.withPermits(1)(
      Effect.mapError(
        thread.writeAll(fd, typeof chunk === "string" ? encoder.encode(chunk) : chunk),
        failed,
      ),
    );
  const sink: Stdio.Stdio["stdout"] = ({ endOnDone = false } = {}) => {
    const sink = Sink.forEach(write);
    return endOnDone ? Sink.ensuring(sink, Effect.ignore(fd.close())) : sink;
  };
  yield* Effect.addFinalizer(() => order.withPermits(1)(Effect.void));
  const runFork = Effect.runForkWith(yield* Effect.context<never>());
  const writable = new Writable({
    // No caller waits for a console's output; output that cannot be written is lost.
    write: (chunk: Uint8Array, _encoding, done) => {
      runFork(Effect.ignore(write(chunk)));
      done();
    },
  });
  return { sink, writable };
});
