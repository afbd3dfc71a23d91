/** Flags of eventfd(2). */
export const EFD = {
  /** read(2) takes 1, and not all. */
  SEMAPHORE: 1,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
} as const;
