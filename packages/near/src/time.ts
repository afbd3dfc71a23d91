import { CLOCK, Int32, Itimerspec, Timespec } from "@rsyscall/abi";
import { define } from "./define.ts";
import type { Address } from "./identifiers.ts";
import { flags, input, int, oneOf, output } from "./kinds.ts";
import { unknown, value } from "./Memory.ts";
import { between, nothing } from "./Result.ts";

/** clock_gettime(2) */
export const clockGettime = define<[clock: number, time: Address], void>(
  "clock_gettime",
  [oneOf("CLOCK_", CLOCK, "clock"), output(value(Timespec), "time")],
  nothing,
  { prompt: true },
);

/** clock_getres(2) */
export const clockGetres = define<[clock: number, resolution: Address], void>(
  "clock_getres",
  [oneOf("CLOCK_", CLOCK, "clock"), output(value(Timespec), "resolution")],
  nothing,
  { prompt: true },
);

/** clock_settime(2). Needs CAP_SYS_TIME. */
export const clockSettime = define<[clock: number, time: Address], void>(
  "clock_settime",
  [oneOf("CLOCK_", CLOCK, "clock"), input(value(Timespec), "time")],
  nothing,
);

/** clock_nanosleep(2). The task performs no other call meanwhile. */
export const clockNanosleep = define<
  [clock: number, flags: number, time: Address, left: Address],
  void
>(
  "clock_nanosleep",
  [
    oneOf("CLOCK_", CLOCK, "clock"),
    flags("TIMER_", { ABSTIME: 1 }),
    input(value(Timespec), "time"),
    output(value(Timespec), "left"),
  ],
  nothing,
);

/** nanosleep(2). The task performs no other call meanwhile. */
export const nanosleep = define<[time: Address, left: Address], void>(
  "nanosleep",
  [input(value(Timespec), "time"), output(value(Timespec), "left")],
  nothing,
);

/** timer_create(2): `event` is a `struct sigevent`; the id is a 32-bit number. */
export const timerCreate = define<[clock: number, event: Address, timer: Address], void>(
  "timer_create",
  [oneOf("CLOCK_", CLOCK, "clock"), input(unknown, "event"), output(value(Int32), "timer")],
  nothing,
);

/** timer_settime(2) */
export const timerSettime = define<
  [timer: number, flags: number, value: Address, old: Address],
  void
>(
  "timer_settime",
  [
    int.as("timer"),
    flags("TIMER_", { ABSTIME: 1 }),
    input(value(Itimerspec), "value"),
    output(value(Itimerspec), "old"),
  ],
  nothing,
);

/** timer_gettime(2) */
export const timerGettime = define<[timer: number, value: Address], void>(
  "timer_gettime",
  [int.as("timer"), output(value(Itimerspec), "value")],
  nothing,
  { prompt: true },
);

/** timer_getoverrun(2) */
export const timerGetoverrun = define<[timer: number], number>(
  "timer_getoverrun",
  [int.as("timer")],
  between(0, 2 ** 31 - 1),
  { prompt: true },
);

/** timer_delete(2) */
export const timerDelete = define<[timer: number], void>(
  "timer_delete",
  [int.as("timer")],
  nothing,
);
