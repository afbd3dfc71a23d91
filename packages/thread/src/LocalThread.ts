import { LocalCalls, ownMemory, SelfConnection } from "@rsyscall/connection";
import { Epoller, type Wakeup } from "@rsyscall/epoller";
import {
  Epoll,
  FileDescriptor,
  type HandleFailure,
  LocalTask,
  type LocalTaskFailure,
} from "@rsyscall/handle";
import { Readiness, readiness, symbols, watch } from "@rsyscall/native";
import { Address, Fd } from "@rsyscall/near";
import { Context, Effect, Layer, type Scope } from "effect";
import { Environment } from "./Environment.ts";
import { NativeLoader } from "./NativeLoader.ts";
import { Thread } from "./Thread.ts";

/** Errors of making the Thread of this process. */
export type LocalThreadFailure = HandleFailure | LocalTaskFailure;

/**
 * The Thread of this process. Its system calls run on Node's main thread, and a call that blocks stops
 * everything. So the operations of descriptor handles (read, write, accept, send, receive, the waits for a count,
 * a timer, an event or the end of a child) wait in the event loop instead, as long as the descriptor is not
 * ready, and can be interrupted. A write to a pipe, a terminal or a stream socket takes 4 KiB at a time.
 *
 * A lock is waited for in a child that shares the descriptors, as in every Thread.
 *
 * Calls without a descriptor to wait for still block: `open` of a FIFO without its other end, `connect`,
 * `futexWait`, `splice` and `sendfile` (see `makeAfd`), disks and network file systems. The functions of
 * @rsyscall/near block as well: they are the bare system calls.
 *
 * In a worker thread, its children die with the worker, and its descriptors are closed.
 *
 * @example
 * ```ts
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   yield* thread.spit("/tmp/hello", "hello\n");
 * });
 * await Effect.runPromise(program.pipe(Effect.provide(LocalThread.layer)));
 * ```
 */
export class LocalThread extends Context.Service<LocalThread, Thread>()(
  "@rsyscall/thread/LocalThread",
) {
  /** Provides the Thread of this process. When the layer's scope closes, it gives back what the Thread has acquired. */
  static readonly layer: Layer.Layer<LocalThread, LocalThreadFailure> = Layer.effect(
    LocalThread,
    Effect.suspend(() => makeLocalThread),
  );
}

const makeLocalThread: Effect.Effect<Thread, LocalThreadFailure, Scope.Scope> = Effect.gen(
  function* () {
    const task = yield* LocalTask.make();
    const epoll = yield* Epoll.make(task);
    epoll.closeOnFork = true;
    yield* LocalCalls.make(task);
    const epoller = yield* Epoller.makeSubsidiary(epoll, epoll, inEventLoop(epoll));
    task.patience = {
      room: (fd, direction) => {
        const state = readiness(fd, direction);
        return state === Readiness.WAITS
          ? 0
          : state === Readiness.PART
            ? PIPE_BUF
            : Number.POSITIVE_INFINITY;
      },
      wait: (fd, direction) =>
        // The epoller is the task's own, so there is no such error.
        Effect.catchTag(epoller.waitFor(fd, direction), "NamespaceMismatchError", Effect.die),
    };
    const stdio = (fd: number) => new FileDescriptor(task, Fd(fd));
    const [stdin, stdout, stderr] = [stdio(0), stdio(1), stdio(2)];
    // libuv makes all descriptors that Node was started with close-on-exec, and clears the flag in its own
    // children. Children of rsyscall have the same stdio, if it is open.
    for (const fd of [stdin, stdout, stderr]) yield* Effect.ignore(fd.setCloexec(false));
    return new Thread({
      task,
      connection: new SelfConnection(task, epoller),
      memory: ownMemory,
      loader: NativeLoader.makeFromSymbols(task, { server: Address(symbols.server) }),
      epoller: () => Effect.succeed(epoller),
      environ: Environment.fromRecord(process.env),
      stdin,
      stdout,
      stderr,
      scope: yield* Effect.scope,
      // Node handles SIGCHLD, or leaves it alone.
      beforeChildren: () => Effect.void,
      ancestor: undefined,
    });
  },
);

/** Adds an epoll instance to Node's event loop, and keeps the loop going only while a fiber waits. */
const inEventLoop = (epoll: Epoll): Wakeup => {
  let waits = 0;
  let watching: ReturnType<typeof watch> | undefined;
  return {
    subscribe: (onReadable) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.map(epoll.borrow(epoll.task), (fd) => (watching = watch(fd, onReadable))),
          (watching) => Effect.sync(() => watching.close()),
        ),
      ),
    hold: () => {
      if (waits++ === 0) watching?.ref();
    },
    letGo: () => {
      if (--waits === 0) watching?.unref();
    },
  };
};

/** Bytes that a pipe, or another descriptor that is ready, takes without waiting: pipe(7). */
const PIPE_BUF = 4096;
