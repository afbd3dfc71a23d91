import { CLOCK, Itimerspec, TFD, TFD_TIMER } from "@rsyscall/abi";
import { define } from "../define.ts";
import { nameOf } from "../Format.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fd, flags, input, oneOf, output } from "../kinds.ts";
import { value } from "../Memory.ts";
import { newFd, nothing } from "../Result.ts";

/** timerfd_create(2) */
export const timerfdCreate = define<[clock: number, flags: number], Fd>(
  "timerfd_create",
  [oneOf("CLOCK_", CLOCK, "clock"), flags("TFD_", TFD)],
  newFd,
  { prompt: true, about: (clock) => nameOf("CLOCK_", CLOCK, clock) },
);

/** timerfd_settime(2): `value` and `old` are `struct itimerspec`; `old` may be NULL. */
export const timerfdSettime = define<[fd: Fd, flags: number, value: Address, old: Address], void>(
  "timerfd_settime",
  [
    fd,
    flags("TFD_TIMER_", TFD_TIMER),
    input(value(Itimerspec), "value"),
    output(value(Itimerspec), "old"),
  ],
  nothing,
  { prompt: true },
);

/** timerfd_gettime(2) */
export const timerfdGettime = define<[fd: Fd, value: Address], void>(
  "timerfd_gettime",
  [fd, output(value(Itimerspec), "value")],
  nothing,
  { prompt: true },
);
