import { LOCK } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Fd } from "../identifiers.ts";
import { fd, flags } from "../kinds.ts";
import { nothing } from "../Result.ts";

/** flock(2) */
export const flock = define<[fd: Fd, operation: number], void>(
  "flock",
  [fd, flags("LOCK_", LOCK).as("operation")],
  nothing,
  { restarts: true },
);
