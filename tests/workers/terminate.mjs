/* Workers that end in the middle of an activity: DIRECTORY WORKERS KIND... Each is terminated a while after it has
 * reported that it is busy, except those that end themselves. Prints, as JSON, what they have left in the process:
 * descriptors, children, and bytes of memory for each worker. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** Workers that run at a time. */
const AT_A_TIME = 2;

const kinds = {
  /** Has an open scope, and does nothing. */
  scope: () => Effect.never,
  /** A program runs. */
  program: (thread) => Effect.andThen(thread.spawn(sleeping), Effect.never),
  /** Programs that start and end. */
  programs: (thread) => Effect.forever(thread.run(Command.make("/bin/true"))),
  /** Children that serve calls: with memory, tables and stacks that are this process's. */
  forks: (thread) =>
    Effect.forever(
      Effect.scoped(
        Effect.gen(function* () {
          const child = yield* thread.fork();
          const sharing = yield* child.clone(CLONE.FILES);
          yield* sharing.spit("/dev/null", new Uint8Array(10_000));
        }),
      ),
    ),
  /** Children that are in the middle of calls, some of which block. */
  calls: (thread) =>
    Effect.gen(function* () {
      const child = yield* thread.fork();
      const blocked = yield* thread.fork();
      const [reader] = yield* pipe(blocked.task);
      yield* Effect.forkChild(reader.readBytes(1), { startImmediately: true });
      yield* Effect.forever(batch(Array.from({ length: 64 }, () => getpid(child.task.sysif))));
    }),
  /** Descriptors of this process that are watched, and become ready all the time. */
  watches: (thread) =>
    Effect.gen(function* () {
      const [left, right] = yield* Socket.pair(thread.task);
      const [a, b] = [yield* thread.makeAfd(left), yield* thread.makeAfd(right)];
      const echo = Effect.flatMap(b.readBytes(), (bytes) => b.writeAllBytes(bytes));
      yield* Effect.forkChild(Effect.forever(echo));
      yield* Effect.forever(Effect.andThen(a.writeAllBytes(new Uint8Array(3)), a.readBytes()));
    }),
  /** Descriptors that come and go. */
  descriptors: (thread) =>
    Effect.forever(Effect.scoped(Effect.andThen(thread.pipe(), Socket.pair(thread.task)))),
  /** Memory of this process that JavaScript has as ArrayBuffers. */
  memory: (thread) =>
    Effect.forever(
      Effect.scoped(
        Effect.gen(function* () {
          const child = yield* thread.fork();
          yield* (yield* child.ptr(new Uint8Array(200_000))).read();
        }),
      ),
    ),
  /** Stubs, and their callers. */
  stubs: (thread) =>
    Effect.gen(function* () {
      const name = `${process.pid}.${threadId}`;
      const server = yield* StubServer.make(thread, workerData.directory, name);
      yield* Effect.forkChild(server.serve(({ thread }) => Effect.as(thread.stdin.fstat(), 0)));
      const run = thread.run(Command.make(`${workerData.directory}/${name}`));
      yield* Effect.forever(run);
    }),
  /** process.exit() with a scope that is open, and a program that runs. */
  exits: (thread) =>
    Effect.andThen(
      thread.spawn(sleeping),
      Effect.sync(() => process.exit(3)),
    ),
  /** process.exit() after a program has run. */
  exitsAfter: (thread) =>
    Effect.andThen(
      thread.run(Command.make("/bin/true")),
      Effect.sync(() => process.exit(3)),
    ),
  /** An exception that is not caught, with a scope that is open, out of a callback of the addon. */
  throws: (thread) =>
    Effect.gen(function* () {
      const [reader, writer] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      yield* Effect.forkChild(
        Effect.map(afd.readBytes(), () =>
          queueMicrotask(() => {
            throw new Error("as expected");
          }),
        ),
      );
      yield* Effect.sleep(1);
      yield* writer.writeAllText("now");
      yield* Effect.never;
    }),
};

let Effect, CLONE, Command, pipe, batch, getpid, Socket, StubServer, threadId, sleeping;

const work = async () => {
  ({ Effect } = await import("effect"));
  ({ CLONE } = await import("@rsyscall/abi"));
  ({ pipe, Socket } = await import("@rsyscall/handle"));
  ({ batch, getpid } = await import("@rsyscall/near"));
  ({ StubServer } = await import("@rsyscall/stub-server"));
  ({ threadId } = await import("node:worker_threads"));
  const { LocalThread, Command: C } = await import("@rsyscall/thread");
  Command = C;
  sleeping = Command.make("/bin/sleep", "1000");
  const program = Effect.gen(function* () {
    const thread = yield* LocalThread;
    yield* Effect.sync(() => parentPort.postMessage("ready"));
    yield* kinds[workerData.kind](thread);
  });
  await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
};

/** Runs a worker to its end. */
const once = async (directory, kind) => {
  const worker = new Worker(new URL(import.meta.url), { workerData: { directory, kind } });
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  const failures = [];
  worker.on("error", (error) => failures.push(error));
  await new Promise((resolve) => worker.once("message", resolve).once("exit", resolve));
  if (!["exits", "exitsAfter", "throws"].includes(kind)) {
    await sleep(Math.random() * 20);
    await worker.terminate();
  }
  const status = await ended;
  if (kind === "throws" ? failures[0]?.message !== "as expected" : failures.length > 0)
    throw new Error(`${kind}: ${inspect(failures[0])}`);
  if (kind.startsWith("exits") && status !== 3) throw new Error(`${kind}: status ${status}`);
};

const descriptors = () =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [`${fd} -> ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return [];
    }
  });

const children = () =>
  readdirSync("/proc/self/task").flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, "latin1").split(" ").filter(Boolean),
  );

const mapped = () => 4096 * Number(readFileSync("/proc/self/statm", "latin1").split(" ")[0]);

const main = async () => {
  const [directory, count, ...chosen] = process.argv.slice(2);
  const all = chosen.length > 0 ? chosen : Object.keys(kinds);
  // The first worker leaves things that Node makes once.
  await once(directory, "scope");
  const before = { descriptors: descriptors(), mapped: mapped() };
  let next = 0;
  const lane = async () => {
    while (next < Number(count)) await once(directory, all[next++ % all.length]);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  console.log(
    JSON.stringify({
      descriptors: descriptors().filter((text) => !before.descriptors.includes(text)),
      children: children(),
      memory: Math.round((mapped() - before.mapped) / Number(count)),
    }),
  );
};

await (isMainThread ? main() : work());
