import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { AF, CLOCK, EFD, FAN, FAN_EVENT, SOCK } from "@rsyscall/abi";
import {
  type Decorator,
  Epoll,
  Eventfd,
  Fanotify,
  type HandleFailure,
  Inotify,
  Memfd,
  MemoryMapping,
  openpty,
  Pidfd,
  Socket,
  Timerfd,
} from "@rsyscall/handle";
import { eventually, tempDirectory } from "@rsyscall/harness";
import { decorated, type SyscallInterface } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, Fiber, type Scope } from "effect";
import { assert } from "vitest";
import { inEachKind } from "./kinds.ts";

/*
 * What acquires something is interrupted at each of its steps, before the step and while its call is under way: no
 * descriptor and no mapping is lost.
 */

/** Descriptors and mappings of a process of this machine. */
const possessions = (pid: number): ReadonlyArray<string> => [
  ...readdirSync(`/proc/${pid}/fd`)
    .flatMap((fd) => {
      try {
        return [`${fd} -> ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`];
      } catch {
        // The descriptor of the directory itself.
        return [];
      }
    })
    .filter((text) => !text.includes("/proc/")),
  ...(readFileSync(`/proc/${pid}/maps`, "latin1").match(/.*memfd:interrupted.*/g) ?? []),
];

/** Calls back at each operation of a task, with its number from 0 on. */
const counting = (onStep: (step: number) => void): Decorator => ({
  isInherited: false,
  decorate: (inner) => {
    let step = 0;
    const next = <A, E>(operation: () => Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        onStep(step++);
        return operation();
      });
    const counted: Partial<SyscallInterface> = {
      direct: undefined,
      syscall: (...words) => next(() => inner.syscall(...words)),
      read: (...words) => next(() => inner.read(...words)),
    };
    return decorated(inner, () => counted);
  },
});

/** `path` is that of a file. */
type Acquisition = (
  thread: Thread,
  path: string,
) => Effect.Effect<unknown, HandleFailure, Scope.Scope>;

const acquisitions: Record<string, Acquisition> = {
  open: (thread) => thread.open("/dev/null"),
  pipe: (thread) => thread.pipe(),
  dup: (thread) => Effect.flatMap(thread.open("/dev/null"), (fd) => fd.dup(200)),
  "Socket.pair": (thread) => Socket.pair(thread),
  "Memfd.make": (thread) => Memfd.make(thread, "interrupted"),
  "Epoll.make": (thread) => Epoll.make(thread),
  "Eventfd.make": (thread) => Eventfd.make(thread, 1, EFD.NONBLOCK),
  "Timerfd.make": (thread) => Timerfd.make(thread, CLOCK.MONOTONIC),
  "Inotify.make": (thread) => Inotify.make(thread),
  "Pidfd.make": (thread) => Pidfd.make(thread, thread.task.pid),
  openpty: (thread) => openpty(thread),
  "receiveFds, of descriptors that were sent": (thread) =>
    Effect.gen(function* () {
      const [left, right] = yield* Socket.pair(thread);
      const file = yield* thread.open("/dev/null");
      yield* left.sendFds(Uint8Array.of(1), [file, file]);
      yield* right.receiveFds(10, 2);
    }),
  accept: (thread) =>
    Effect.gen(function* () {
      const address = `\0interrupted-${thread.task.pid}`;
      const listening = yield* thread.socket(AF.UNIX, SOCK.STREAM);
      yield* listening.bind({ family: "unix", path: address });
      yield* listening.listen(5);
      yield* (yield* thread.socket(AF.UNIX, SOCK.STREAM)).connect({
        family: "unix",
        path: address,
      });
      yield* listening.accept();
    }),
  "MemoryMapping.make, and mremap": (thread) =>
    Effect.gen(function* () {
      const fd = yield* Memfd.make(thread, "interrupted");
      yield* fd.truncate(65536);
      const mapping = yield* MemoryMapping.make(thread, 8192, { fd });
      yield* mapping.mremap(65536);
      yield* mapping.munmap(4096, 4096);
      yield* mapping.writeBytes(new Uint8Array(100));
      yield* mapping.readBytes(0, 100);
    }),
  "Fanotify.readEvents, of descriptors of events": (thread, path) =>
    Effect.gen(function* () {
      const group = yield* Fanotify.make(thread, FAN.NONBLOCK | FAN.REPORT_PIDFD);
      yield* group.mark(path, FAN_EVENT.OPEN);
      yield* Effect.scoped(thread.open(path));
      yield* group.readEvents();
    }),
};

inEachKind((it) => {
  for (const [name, acquire] of Object.entries(acquisitions))
    it(`of ${name} loses nothing, at any step`, function* (thread) {
      const { task } = thread;
      // What is cached is made once.
      const path = `${yield* tempDirectory}/file`;
      writeFileSync(path, "");
      yield* Effect.scoped(acquire(thread, path));
      // What is given back is not waited for.
      yield* task.sysif.barrier();
      const before = possessions(task.pid);
      for (const when of ["before", "during"] as const) {
        let count = Number.POSITIVE_INFINITY;
        for (let target = 0; target < count; target++) {
          let steps = 0;
          let fiber: Fiber.Fiber<unknown, unknown> | undefined;
          const onStep = (step: number) => {
            steps = step + 1;
            if (step !== target) return;
            const interrupt = () => fiber?.interruptUnsafe();
            if (when === "before") interrupt();
            else queueMicrotask(interrupt);
          };
          const run = Effect.scoped(
            Effect.andThen(
              task.decorate(counting(onStep)),
              Effect.suspend(() => acquire(thread, path)),
            ),
          );
          // It begins in a turn of its own, so that it can be interrupted at its first step.
          fiber = yield* Effect.forkChild(Effect.andThen(Effect.yieldNow, Effect.ignore(run)));
          yield* Fiber.await(fiber);
          if (target >= steps) count = steps;
        }
        assert.isAbove(count, 0);
      }
      yield* task.sysif.barrier();
      // Other threads of this process open and close descriptors of their own.
      yield* eventually(() => possessions(task.pid).every((text) => before.includes(text)));
    });
});
