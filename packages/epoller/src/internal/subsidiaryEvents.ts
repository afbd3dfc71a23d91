import { Bytes, type EpollEvent, listOf } from "@rsyscall/abi";
import type { BorrowFailure, Epoll, MallocFailure } from "@rsyscall/handle";
import { isError, LocalSyscallInterface, type Word } from "@rsyscall/near";
import { Effect, Exit, Scope } from "effect";
import type { Wakeup } from "../Wakeup.ts";
import type { EventSource } from "./EventSource.ts";
import type { Registrations } from "./Registrations.ts";

/** How many events one epoll_wait takes. */
const BATCH = 64;

/** So many batches are taken without a turn for others. */
const ROUNDS = 16;

/**
 * Milliseconds until the rest is taken. A task that has the instance too can have registered something that is
 * always ready, level-triggered. Without a pause, that would take all of our time.
 */
const PAUSE = 4;

/**
 * Events that are taken in this process, whenever another event loop says that there may be some.
 *
 * An instance that reports a number that was never registered here is ended, and leaves the other event loop:
 * its task has put something else into it.
 */
export const subsidiaryEvents = Effect.fnUntraced(function* (
  registrations: Registrations,
  waiter: Epoll,
  wakeup: Wakeup,
): Effect.fn.Return<EventSource, MallocFailure | BorrowFailure, Scope.Scope> {
  const take = yield* takeEvents(waiter);
  const subscription = yield* Scope.fork(yield* Effect.scope);
  let pause: NodeJS.Timeout | undefined;
  yield* Effect.addFinalizer(() => Effect.sync(() => clearTimeout(pause)));
  /** Takes the events there are, and tells each registration of its own. */
  const drain = () => {
    if (pause !== undefined || registrations.hasEnded) return;
    for (let rounds = 0; rounds < ROUNDS; rounds++) {
      const events = take();
      if (events === undefined || !registrations.tell(events)) {
        registrations.end();
        Effect.runFork(Scope.close(subscription, Exit.void));
        return;
      }
      if (events.length < BATCH) return;
    }
    pause = setTimeout(() => {
      pause = undefined;
      drain();
    }, PAUSE);
    // A fiber that waits keeps the loop alive.
    pause.unref();
  };
  yield* Scope.provide(wakeup.subscribe(drain), subscription);
  // They come whether or not they are wanted.
  return { hold: wakeup.hold, letGo: wakeup.letGo, want: () => {}, unwant: () => {} };
});

/** The events there are, without waiting; undefined if there will be no more. */
type TakeEvents = () => ReadonlyArray<EpollEvent> | undefined;

/** For the epoll instance of a task here. Without an Effect: every wake-up of ours goes through it. */
const takeEvents = Effect.fnUntraced(function* (
  waiter: Epoll,
): Effect.fn.Return<TakeEvents, MallocFailure | BorrowFailure, Scope.Scope> {
  const { task } = waiter;
  const sysif = LocalSyscallInterface.of(task.sysif);
  if (sysif === undefined)
    return yield* Effect.die(new TypeError("events are taken in this process"));
  const { epollEvent } = sysif.abi;
  const { size } = epollEvent;
  const list = listOf(epollEvent);
  const buffer = yield* task.malloc(Bytes, size * BATCH);
  const address = yield* buffer.address();
  const number = sysif.abi.syscallNumber("epoll_pwait") as number;
  const fd = yield* waiter.borrow(task);
  return () => {
    if (!waiter.isValid) return undefined;
    const count: Word = sysif.submit(number, fd, address, BATCH, 0, 0, 8);
    if (count === 0) return [];
    if (isError(count)) return undefined;
    try {
      return list.decode(sysif.readNow(address, size * Number(count)));
    } catch {
      // Numbers that are not ours: a task that has the instance too has registered something itself.
      return undefined;
    }
  };
});
