import { batch, getpid } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { pairCalls } from "./cPrograms.ts";
import { apart, areTwo, type Cpus, pinned, together } from "./cpus.ts";
import { echoChild } from "./echoChild.ts";
import { interleaved, timed, timedTogether } from "./interleaved.ts";
import type { Aim, Row } from "./Row.ts";

const twoCpus = areTwo ? "two CPUs" : "no second CPU";

/** Long enough for both sides to fall asleep. */
const PAUSE_MS = 2;

const PAIR = "a C pair over a socket pair";

/** Threads of this process and of two stubs, by the way that their calls take. */
export interface Remotes {
  readonly local: Thread;
  readonly ring: Thread;
  readonly socket: Thread;
}

/** Calls one after the other. */
const sequential = (
  { local, ring, socket }: Remotes,
  cpus: Cpus,
  where: string,
  scale: number,
): Effect.Effect<Array<Row>, unknown, never> =>
  Effect.scoped(
    Effect.gen(function* () {
      const count = 100 * scale;
      const echo = yield* echoChild;
      const all = yield* pinned(
        [local, ring, socket],
        cpus,
        interleaved({
          ring: timedTogether(20 * count, getpid(ring.task.sysif)),
          socket: timed(count, getpid(socket.task.sysif)),
          pair: () => pairCalls(count, 1, cpus),
          local: timedTogether(20 * count, getpid(local.task.sysif)),
          echo: timed(count, echo(1)),
        }),
      );
      const floor = { name: `${PAIR}, likewise`, samples: all.pair };
      const instead = { name: "process.send and back", samples: all.echo };
      const isApart = cpus[0] !== cpus[1];
      const rows: Array<Row> = [
        {
          name: `getpid in a stub, ${where}`,
          unit: "ns",
          samples: all.ring,
          floor,
          instead,
          aims: [{ ofFloor: isApart ? 0.03 : 1.3 }],
        },
        {
          name: `getpid in a stub over sockets, ${where}`,
          unit: "ns",
          samples: all.socket,
          floor,
          instead,
          aims: [{ ofFloor: 1.3 }],
        },
      ];
      if (isApart)
        rows.unshift({
          name: `getpid in a stub, ${where}`,
          unit: "ns",
          samples: all.ring,
          floor: { name: "getpid here, typed", samples: all.local },
          aims: [{ ofFloor: 3 }],
        });
      return rows;
    }),
  );

/** A call when both sides have gone to sleep. */
const afterPause = ({ local, ring, socket }: Remotes, scale: number) =>
  Effect.gen(function* () {
    const count = 10 * scale;
    const paused = (thread: Thread) =>
      Effect.map(
        Effect.replicateEffect(
          Effect.andThen(Effect.sleep(PAUSE_MS), timed(1, getpid(thread.task.sysif))),
          count,
        ),
        (samples) => samples.flat(),
      );
    const all = yield* pinned(
      [local, ring, socket],
      apart,
      interleaved({
        ring: paused(ring),
        socket: paused(socket),
        pair: () => pairCalls(count, 1, apart, PAUSE_MS * 1000),
      }),
    );
    const floor = { name: `${PAIR}, likewise`, samples: all.pair };
    const row = (name: string, samples: ReadonlyArray<number>, aims: ReadonlyArray<Aim>): Row => ({
      name,
      unit: "ns",
      samples,
      floor,
      aims,
    });
    return [
      row(`getpid in a stub after ${PAUSE_MS} ms, ${twoCpus}`, all.ring, [{ ofFloor: 1.3 }]),
      row(`getpid in a stub over sockets after ${PAUSE_MS} ms, ${twoCpus}`, all.socket, []),
    ];
  });

/** Other work of this process in each turn of its event loop. */
const WORK_MS = 1;

/** Turns of the event loop are full of work while this is open. */
const work = Effect.acquireRelease(
  Effect.sync(() => {
    let next: NodeJS.Immediate;
    const turn = () => {
      const end = performance.now() + WORK_MS;
      while (performance.now() < end);
      next = setImmediate(turn);
    };
    next = setImmediate(turn);
    return () => clearImmediate(next);
  }),
  (stop) => Effect.sync(stop),
);

const nextTurn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)));

/** Calls of a process that has other work to do, each in a turn of its own. */
const besideWork = ({ local, ring, socket }: Remotes, scale: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const echo = yield* echoChild;
      yield* work;
      const count = 10 * scale;
      const inTurns = <E>(operation: Effect.Effect<unknown, E>) =>
        Effect.map(
          Effect.replicateEffect(Effect.andThen(nextTurn, timed(1, operation)), count),
          (samples) => samples.flat(),
        );
      const all = yield* pinned(
        [local, ring, socket],
        apart,
        interleaved({
          ring: inTurns(getpid(ring.task.sysif)),
          socket: inTurns(getpid(socket.task.sysif)),
          turn: inTurns(nextTurn),
          echo: inTurns(echo(1)),
        }),
      );
      const floor = { name: "a turn of the loop", samples: all.turn };
      const instead = { name: "process.send and back, likewise", samples: all.echo };
      const beside = `beside ${WORK_MS} ms of work in each turn of the event loop`;
      return [
        { name: `getpid in a stub, ${beside}`, samples: all.ring },
        { name: `getpid in a stub over sockets, ${beside}`, samples: all.socket },
      ].map((row): Row => ({ ...row, unit: "ns", floor, instead }));
    }),
  );

/** Many calls at once. */
const atOnce = ({ local, ring, socket }: Remotes, width: number, scale: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const rounds = Math.ceil((3200 * scale) / width);
      const echo = yield* echoChild;
      const batchIn = (thread: Thread) =>
        Effect.suspend(() => batch(Array.from({ length: width }, () => getpid(thread.task.sysif))));
      const fibersIn = (thread: Thread) =>
        Effect.all(
          Array.from({ length: width }, () => getpid(thread.task.sysif)),
          { concurrency: "unbounded", discard: true },
        );
      const echoes = Effect.all(
        Array.from({ length: width }, () => echo(1)),
        { concurrency: "unbounded", discard: true },
      );
      const all = yield* pinned(
        [local, ring, socket],
        apart,
        interleaved({
          ring: timed(rounds, batchIn(ring), width),
          fibers: timed(rounds, fibersIn(ring), width),
          socket: timed(rounds, batchIn(socket), width),
          pair: () => pairCalls(rounds, width, apart),
          echo: timed(1, echoes, width),
        }),
      );
      const floor = { name: "a C pair, as many at once", samples: all.pair };
      const instead = { name: "process.send, likewise", samples: all.echo };
      const row = (
        name: string,
        samples: ReadonlyArray<number>,
        aims: ReadonlyArray<Aim>,
      ): Row => ({ name, unit: "ns", samples, floor, instead, aims });
      return [
        row(`each of ${width} in a batch`, all.ring, [{ ofFloor: 0.3 }]),
        row(`each of ${width} in fibers of their own`, all.fibers, []),
        row(`each of ${width} in a batch, over sockets`, all.socket, [{ ofFloor: 1 }]),
      ];
    }),
  );

/** Calls in a stub: one after the other, after a pause, and many at once. */
export const remoteCalls = (remotes: Remotes, scale: number) =>
  Effect.map(
    Effect.all([
      sequential(remotes, apart, twoCpus, scale),
      sequential(remotes, together, "one CPU", scale),
      afterPause(remotes, scale),
      besideWork(remotes, scale),
      atOnce(remotes, 64, scale),
      atOnce(remotes, 1000, scale),
    ]),
    (rows) => rows.flat(),
  );
