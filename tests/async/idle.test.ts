import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  begin,
  eventually,
  execute,
  it,
  start,
  statusOf,
  tempDirectory,
  threadKinds,
  turn,
} from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";
import { type Family, families, listen, unconnected } from "./socketFamilies.ts";

const COUNT = 1000;

const [unix] = families as unknown as [Family];

/** A process's nanoseconds of CPU time, and the times that it was scheduled: proc_pid_schedstat(5). */
const schedstat = (pid: number): string => {
  const [ran, , times] = readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ");
  return `${ran} ${times}`;
};

/** Lets other programs run for some time. */
const othersRun = Effect.repeat(
  Effect.map(execute("/bin/true"), ({ status }) => assert.equal(status, 0)),
  { times: 19 },
);

/** The open descriptors of a process, and the number of those in its epoll instances. */
const held = (pid: number) => {
  let watched = 0;
  const open = readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${fd}`) === "anon_inode:[eventpoll]")
        watched += [...readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1").matchAll(/^tfd:/gm)]
          .length;
      return true;
    } catch {
      // The descriptor of the directory itself.
      return false;
    }
  });
  return { open: open.length, watched };
};

/** Connects to a thread many times; the thread accepts and waits for input, which the kernel is asked to report. */
const connections = (thread: Thread, count: number) =>
  Effect.gen(function* () {
    const local = yield* LocalThread;
    const { listener, address } = yield* listen(thread, unix, 128);
    const all = [];
    for (let i = 0; i < count; i++) {
      const client = yield* unconnected(local, unix);
      yield* client.connect(address);
      const server = yield* listener.accept();
      all.push({ client, reading: yield* begin(server.readBytes()) });
    }
    // And the listening socket.
    yield* eventually(() => held(thread.task.pid).watched > count);
    return all;
  });

describe.each(threadKinds)("a thousand idle connections %s", (_name, place) => {
  it("are told each of its own, and leave nothing behind", function* () {
    const thread = yield* place;
    const { pid } = thread.task;
    const use = (count: number) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make();
        const all = yield* Scope.provide(connections(thread, count), scope);
        // Not in the order in which they were accepted.
        for (let i = 0; i < count; i++) {
          const { client, reading } = all[(i * 7) % count] as (typeof all)[number];
          assert.isUndefined(reading.pollUnsafe());
          yield* client.sendAllBytes(Uint8Array.of(i & 255));
          assert.deepEqual(yield* Fiber.join(reading), Uint8Array.of(i & 255));
        }
        yield* Scope.close(scope, Exit.void);
        yield* thread.task.sysif.barrier();
      });
    yield* use(2);
    const before = [held(pid), held(process.pid), thread.task.allocator.mapped] as const;
    yield* use(COUNT);
    // A close that could wait is made by another thread, and is not waited for.
    yield* eventually(
      () => held(pid).open <= before[0].open && held(process.pid).open <= before[1].open,
    );
    assert.isAtMost(held(pid).watched, before[0].watched);
    assert.isAtMost(held(process.pid).watched, before[1].watched);
    // One empty chunk is kept.
    assert.isAtMost(thread.task.allocator.mapped, before[2] + 256 * 1024);
  });

  if (_name !== "in this process")
    it("cost the process no CPU", function* () {
      const thread = yield* place;
      const { pid } = thread.task;
      const all = yield* connections(thread, COUNT);
      yield* thread.task.sysif.barrier();
      while (statusOf(pid) !== "S") yield* turn;
      const before = schedstat(pid);
      yield* othersRun;
      assert.equal(schedstat(pid), before);
      for (const { reading } of all) yield* Fiber.interrupt(reading);
    });
});

describe("a controller that waits for a thousand connections here and as many in a stub", () => {
  it("uses no CPU, and nor does the stub", function* () {
    const script = fileURLToPath(new URL("idle.mjs", import.meta.url));
    const controller = yield* start(process.execPath, [script, yield* tempDirectory, `${COUNT}`]);
    let stub = 0;
    yield* controller.line((line) => {
      stub = Number(/^stub (\d+)$/.exec(line)?.[1] ?? stub);
      return line === "ready";
    });
    // A young process still has work to do. It becomes quiet, or this never ends.
    for (;;) {
      const before = [controller.pid, stub].map(schedstat);
      yield* othersRun;
      if (JSON.stringify([controller.pid, stub].map(schedstat)) === JSON.stringify(before)) break;
    }
    controller.stdin?.end("x");
    const { status, stderr } = yield* controller.ended;
    assert.equal(status, 0, stderr.toString());
  });
});
