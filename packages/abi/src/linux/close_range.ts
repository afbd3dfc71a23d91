/** Flags of close_range(2). */
export const CLOSE_RANGE = { UNSHARE: 2, CLOEXEC: 4 } as const;
