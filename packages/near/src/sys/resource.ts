import { PRIO, RLIMIT, Rlimit } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, PidLike } from "../identifiers.ts";
import { input, int, oneOf, output, pid, uid } from "../kinds.ts";
import { unknown, value } from "../Memory.ts";
import { between, nothing } from "../Result.ts";

const which = oneOf("PRIO_", PRIO, "which");
/** A pid, a group or a user, depending on `which`. */
const who = uid.as("who");
const resource = oneOf("RLIMIT_", RLIMIT, "resource");

/** getpriority(2): gives the nice value, -20 to 19. The system call returns 20 minus it, which is never an errno. */
export const getpriority = define<[which: number, who: number], number>(
  "getpriority",
  [which, who],
  between(1, 40, "decimal", (result) => 20 - result),
  { prompt: true, about: (_, who) => `id ${who}` },
);

/** setpriority(2) */
export const setpriority = define<[which: number, who: number, nice: number], void>(
  "setpriority",
  [which, who, int.as("nice")],
  nothing,
  { about: (_, who) => `id ${who}` },
);

/** prlimit64, the system call behind prlimit(2). Either address may be NULL. */
export const prlimit = define<[pid: PidLike, resource: number, limit: Address, old: Address], void>(
  "prlimit64",
  [pid, resource, input(value(Rlimit), "limit"), output(value(Rlimit), "old")],
  nothing,
  { prompt: true },
);

/** getrusage(2): writes a `struct rusage`. */
export const getrusage = define<[who: number, usage: Address], void>(
  "getrusage",
  [oneOf("RUSAGE_", { SELF: 0, CHILDREN: -1, THREAD: 1 }, "who"), output(unknown, "usage")],
  nothing,
  { prompt: true },
);

/** getrlimit(2) */
export const getrlimit = define<[resource: number, limit: Address], void>(
  "getrlimit",
  [oneOf("RLIMIT_", RLIMIT, "resource"), output(value(Rlimit), "limit")],
  nothing,
  { prompt: true },
);

/** setrlimit(2) */
export const setrlimit = define<[resource: number, limit: Address], void>(
  "setrlimit",
  [oneOf("RLIMIT_", RLIMIT, "resource"), input(value(Rlimit), "limit")],
  nothing,
  { prompt: true },
);
