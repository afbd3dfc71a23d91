import { Bytes, type EpollEvent, listOf } from "@rsyscall/abi";
import type { Epoll, HandleFailure } from "@rsyscall/handle";
import { isError, LocalSyscallInterface, type Word } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { Wakeup } from "../Wakeup.ts";
import type { EventSource } from "./EventSource.ts";
import type { Registrations } from "./Registrations.ts";

/** How many events one epoll_wait takes. */
const BATCH = 64;

/** Events that are taken in this process, whenever another event loop says that there may be some. */
export const subsidiaryEvents = (
  registrations: Registrations,
  waiter: Epoll,
  wakeup: Wakeup,
): Effect.Effect<EventSource, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const take = yield* takeEvents(waiter);
    /** Takes all events there are, and tells those whom they are for. */
    const drain = () => {
      let events: ReadonlyArray<EpollEvent> | undefined;
      do {
        events = take();
        registrations.tell(events ?? []);
      } while (events?.length === BATCH);
      if (events === undefined) registrations.end();
    };
    yield* wakeup.subscribe(drain);
    // They come whether or not they are wanted.
    return { hold: wakeup.hold, letGo: wakeup.letGo, want: () => {}, unwant: () => {} };
  });

/** The events there are, without waiting; undefined if there will be no more. */
type TakeEvents = () => ReadonlyArray<EpollEvent> | undefined;

/** For the epoll instance of a task here. Without an Effect: every wake-up of ours goes through it. */
const takeEvents = (waiter: Epoll): Effect.Effect<TakeEvents, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { task } = waiter;
    const { sysif } = task;
    if (!(sysif instanceof LocalSyscallInterface))
      return yield* Effect.die(new TypeError("events are taken in this process"));
    const { epollEvent } = sysif.abi;
    const { size } = epollEvent;
    const list = listOf(epollEvent);
    const buffer = yield* task.malloc(Bytes, size * BATCH);
    const address = yield* buffer.address;
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
