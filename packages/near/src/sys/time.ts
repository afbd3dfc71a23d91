import { ITIMER } from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, NULL } from "../identifiers.ts";
import { input, oneOf, output } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** gettimeofday(2): writes a `struct timeval`. See clock_gettime. */
export const gettimeofday = define<[time: Address, zone?: Address], void>(
  "gettimeofday",
  [output(unknown, "time"), output(unknown, "zone").or(NULL)],
  nothing,
  { prompt: true },
);

/** getitimer(2): writes a `struct itimerval`. */
export const getitimer = define<[which: number, value: Address], void>(
  "getitimer",
  [oneOf("ITIMER_", ITIMER, "which"), output(unknown, "value")],
  nothing,
  { prompt: true },
);

/** setitimer(2): takes a `struct itimerval`. The task gets the signal. */
export const setitimer = define<[which: number, value: Address, old: Address], void>(
  "setitimer",
  [oneOf("ITIMER_", ITIMER, "which"), input(unknown, "value"), output(unknown, "old")],
  nothing,
);
