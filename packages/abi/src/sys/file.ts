/** Operations of flock(2). */
export const LOCK = {
  SH: 1,
  EX: 2,
  /** Not to wait: EAGAIN. */
  NB: 4,
  UN: 8,
} as const;
