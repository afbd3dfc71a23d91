import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Memfd, Socket } from "@rsyscall/handle";
import { getpid } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { equal, NotHere, ok } from "./internal/expect.ts";
import { openBesideStdio, procFile } from "./internal/inside.ts";
import { beside, cut, newThread, until } from "./internal/subject.ts";

/*
 * Leaks. The first use may open descriptors that later uses share, so everything is done once before the
 * descriptors are counted.
 */

const orUndefined = <A>(look: () => A): A | undefined => {
  try {
    return look();
  } catch {
    return undefined;
  }
};

/** Lists the open descriptors of this process, as "number -> target". */
const ourFds = (): ReadonlyArray<string> =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    const target = orUndefined(() => readlinkSync(`/proc/self/fd/${fd}`));
    // Without the directory that is being read, and modules that are being loaded.
    return target === undefined || /\.[cm]?[jt]sx?$/.test(target) ? [] : [`${fd} -> ${target}`];
  });

/** Lists the children of this process, including zombies. */
const ourChildren = (): ReadonlyArray<string> =>
  readdirSync("/proc/self/task").flatMap((thread) =>
    (orUndefined(() => readFileSync(`/proc/self/task/${thread}/children`, "latin1")) ?? "")
      .split(" ")
      .filter((pid) => pid.trim() !== ""),
  );

/** Runs an effect twice, and compares the descriptors and children of this process after the two runs. */
const leavesNothing = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    yield* effect;
    // The event loop closes some descriptors later.
    yield* settled;
    const [fds, children] = [ourFds(), ourChildren()];
    yield* effect;
    const left = () => ({
      fds: ourFds().filter((fd) => !fds.includes(fd)),
      children: ourChildren().filter((child) => !children.includes(child)),
    });
    yield* Effect.suspend(() => {
      const { fds, children } = left();
      const what = `nothing left of ${[...fds, ...children.map((pid) => `child ${pid}`)].join(", ")}`;
      return until(
        what,
        Effect.sync(() => {
          const { fds, children } = left();
          return fds.length === 0 && children.length === 0;
        }),
      );
    });
  });

/** Waits for some turns of the event loop. */
const settled = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, {
  discard: true,
});

/** Uses every kind of operation of a Thread. */
const use = (thread: Thread) =>
  Effect.scoped(
    Effect.gen(function* () {
      const [reader, writer] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const reading = yield* beside(afd.readBytes());
      yield* writer.writeAllText("x");
      yield* Fiber.join(reading);
      yield* Socket.pair(thread.task);
      const file = yield* Memfd.make(thread.task, "leaks");
      yield* file.dup();
      yield* thread.ptr("memory");
      yield* thread.connection.openAsyncChannels(1);
      const waits = yield* beside(afd.readBytes());
      yield* Fiber.interrupt(waits);
      yield* getpid(thread.task.sysif);
    }),
  );

const withChildren = (thread: Thread) =>
  Effect.scoped(
    Effect.gen(function* () {
      const child = yield* thread.fork();
      yield* use(child);
      yield* child.fork();
      const ended = yield* thread.fork();
      yield* ended.exit(1);
      yield* ended.process.wait();
    }),
  );

const withPrograms = (thread: Thread) =>
  Effect.scoped(
    Effect.gen(function* () {
      const [input] = yield* thread.pipe();
      yield* thread.run(thread.environ.sh.args("-c", "exit 0"));
      yield* thread.spawn(thread.environ.sh.args("-c", "read never"), { stdin: input });
      const running = yield* beside(
        thread.run(thread.environ.sh.args("-c", "read never"), { stdin: input }),
      );
      yield* Effect.yieldNow;
      yield* Fiber.interrupt(running);
      yield* Effect.exit(thread.run(thread.environ.sh.args("-c", "exit 0"), { cwd: "/no/such" }));
    }),
  );

const nothingInside = Effect.fnUntraced(function* (
  effect: (thread: Thread) => Effect.Effect<void, unknown>,
) {
  const thread = yield* newThread;
  yield* effect(thread);
  yield* thread.task.sysif.barrier();
  const before = yield* openBesideStdio(thread);
  yield* effect(thread);
  const more = Effect.map(
    Effect.andThen(thread.task.sysif.barrier(), openBesideStdio(thread)),
    (now) => now.filter((fd) => !before.includes(fd)),
  );
  yield* until(
    `no descriptors in the process but ${before.join(" ")}`,
    Effect.map(more, (fds) => fds.length === 0),
  );
});

/** Returns the start time of a process, in ticks after the boot, from /proc/PID/stat. */
const startOf = (thread: Thread, pid: number | "self") =>
  Effect.map(procFile(thread, `${pid}/stat`), (stat) => {
    const [number] = stat.split(" ", 1);
    return { pid: Number(number), start: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] };
  });

export const leaks: ReadonlyArray<Behaviour> = topic("leaks", [
  behaviour(
    "leaves no descriptor and no child in the controller when its scope closes",
    [],
    function* () {
      yield* leavesNothing(Effect.scoped(Effect.flatMap(newThread, use)));
    },
  ),

  behaviour(
    "leaves nothing in the controller of children and programs",
    ["children", "programs"],
    function* () {
      yield* leavesNothing(
        Effect.scoped(
          Effect.flatMap(newThread, (thread) =>
            Effect.andThen(withChildren(thread), withPrograms(thread)),
          ),
        ),
      );
    },
  ),

  behaviour("leaves nothing in the controller of a Thread that was cut", ["cut"], function* () {
    yield* leavesNothing(
      Effect.scoped(
        Effect.gen(function* () {
          const thread = yield* newThread;
          yield* use(thread);
          yield* thread.connection.openAsyncChannels(1);
          yield* cut(thread);
        }),
      ),
    );
  }),

  behaviour(
    "leaves nothing in the controller when it is interrupted while it is made",
    [],
    function* () {
      yield* leavesNothing(
        Effect.forEach(
          [0, 1, 2, 3, 5, 8, 13],
          (turns) =>
            Effect.gen(function* () {
              const making = yield* beside(Effect.scoped(newThread));
              for (let i = 0; i < turns; i++) yield* Effect.yieldNow;
              yield* Fiber.interrupt(making);
            }),
          { discard: true },
        ),
      );
    },
  ),

  behaviour("leaves nothing in the controller of ten Threads at the same time", [], function* () {
    yield* leavesNothing(
      Effect.forEach(
        Array.from({ length: 10 }),
        () => Effect.scoped(Effect.flatMap(newThread, ({ task }) => getpid(task.sysif))),
        { concurrency: "unbounded", discard: true },
      ),
    );
  }),

  behaviour(
    "leaves no descriptor in the process of what was opened there and closed",
    ["ownDescriptors", "proc"],
    function* () {
      yield* nothingInside(use);
    },
  ),

  behaviour(
    "leaves no descriptor in the process of children and programs",
    ["ownDescriptors", "proc", "children", "programs"],
    function* () {
      yield* nothingInside((thread) => Effect.andThen(withChildren(thread), withPrograms(thread)));
    },
  ),

  behaviour("leaves no process, once its scope is closed", ["ownProcess", "proc"], function* () {
    const witness = yield* newThread;
    const { pid, start } = yield* Effect.scoped(
      Effect.gen(function* () {
        const thread = yield* newThread;
        const self = yield* startOf(thread, "self");
        const seen = yield* Effect.exit(startOf(witness, self.pid));
        if (seen._tag === "Failure" || seen.value.start !== self.start)
          return yield* new NotHere({ reason: "two Threads of it do not see each other" });
        return self;
      }),
    );
    yield* until(
      `no process ${pid}, after its scope is closed`,
      Effect.match(startOf(witness, pid), {
        onSuccess: (now) => now.start !== start,
        onFailure: () => true,
      }),
    );
  }),

  behaviour(
    "leaves no child and no zombie in the process",
    ["ownProcess", "proc", "children", "programs"],
    function* () {
      const thread = yield* newThread;
      yield* withChildren(thread);
      yield* withPrograms(thread);
      const children = (yield* procFile(thread, `self/task/${thread.task.pid}/children`)).trim();
      equal(children, "", "the children that are left");
      ok(thread.task.pid > 0, "the process goes on");
    },
  ),
]);
