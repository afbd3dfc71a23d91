import { Bytes, type EpollEvent, listOf } from "@rsyscall/abi";
import type { BorrowFailure, Epoll, MallocFailure } from "@rsyscall/handle";
import { isError, LocalSyscallInterface, type Word } from "@rsyscall/near";
import { Effect, Exit, Scope } from "effect";
import type { Wakeup } from "../Wakeup.ts";
import type { EventSource } from "./EventSource.ts";
import type { Registrations } from "./Registrations.ts";

/** The maximum number of events of one epoll_wait. */
const BATCH = 64;

/** The number of batches that are taken before other work gets a turn. */
const ROUNDS = 16;

/**
 * Milliseconds until the rest is taken. A task that has the instance too can have registered a descriptor that is
 * always ready, level-triggered. Without a pause, its events would use all of the CPU time.
 */
const PAUSE = 4;

/**
 * Makes the source of events that this process takes whenever another event loop reports that there may be some.
 *
 * If the instance reports a number that was never registered here, its task has registered something else. Then the
 * source ends, and the instance is removed from the other event loop.
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
  /** Takes the events and gives them to their registrations. */
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
  // Events are taken whether or not they are wanted.
  return { hold: wakeup.hold, letGo: wakeup.letGo, want: () => {}, unwant: () => {} };
});

/** Takes the events without waiting; undefined if no more will come. */
type TakeEvents = () => ReadonlyArray<EpollEvent> | undefined;

/** Takes the events of an epoll instance of a task in this process, without an Effect: every wake-up uses it. */
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
      // An unknown number: a task that has the instance too has registered something itself.
      return undefined;
    }
  };
});
