import { Bytes } from "@rsyscall/abi";
import { write } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/** Starts processes that must not outlive their controller. */
const held = Effect.fnUntraced(function* (thread: Thread) {
  const child = yield* thread.fork();
  const program = yield* thread.spawn(thread.environ.sh.args("-c", "exec sleep 1000"));
  return [thread.task.pid, child.task.pid, program.pid];
});

/** Makes a Thread perform a call that does not end. Continues when the call is under way. */
const block = Effect.fnUntraced(function* (thread: Thread) {
  const size = 1024 * 1024;
  const [reader, writer] = yield* thread.pipe();
  const child = yield* thread.fork();
  const theirs = yield* child.makeAfd(yield* reader.inherit(child.task));
  const buffer = yield* thread.malloc(Bytes, size);
  // More than a pipe holds.
  const writing = write(thread.task.sysif, writer.near, yield* buffer.address(), size);
  yield* Effect.forkScoped(writing, { startImmediately: true });
  yield* theirs.readBytes(1);
});

/**
 * Runs the controller with which `describeTransport` tests the end of processes whose controller dies: see
 * `TransportUnderTest.controller`. Makes two Threads, reports that on stdout, and holds them until this process is
 * killed.
 *
 * @example
 * ```ts no-run
 * import { holdThreads } from "@rsyscall/conformance/controller";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * holdThreads(Effect.flatMap(LocalThread, (local) => local.fork()));
 * ```
 */
export const holdThreads = (
  makeThread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>,
): void => {
  const program = Effect.gen(function* () {
    const [idle, busy] = [yield* makeThread, yield* makeThread];
    const pids = [...(yield* held(idle)), ...(yield* held(busy))];
    yield* block(busy);
    process.stdout.write(`${JSON.stringify(pids)}\n`);
    return yield* Effect.never;
  });
  Effect.runFork(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
};
