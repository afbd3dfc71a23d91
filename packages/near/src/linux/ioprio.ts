import { define } from "../define.ts";
import type { PidLike } from "../identifiers.ts";
import { int, oneOf, pid } from "../kinds.ts";
import { between, nothing } from "../Result.ts";

const IOPRIO_WHO = { PROCESS: 1, PGRP: 2, USER: 3 };
/** ioprio_set(2) */
export const ioprioSet = define<[which: number, who: PidLike, priority: number], void>(
  "ioprio_set",
  [oneOf("IOPRIO_WHO_", IOPRIO_WHO, "which"), pid.as("who"), int.as("priority")],
  nothing,
);

/** ioprio_get(2) */
export const ioprioGet = define<[which: number, who: PidLike], number>(
  "ioprio_get",
  [oneOf("IOPRIO_WHO_", IOPRIO_WHO, "which"), pid.as("who")],
  between(0, 0xffff),
  { prompt: true },
);
