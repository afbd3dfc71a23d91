import { hugeSizes } from "../hugeSizes.ts";

/** What memory may be used for. See mmap(2), mprotect(2). */
export const PROT = {
  NONE: 0x0,
  READ: 0x1,
  WRITE: 0x2,
  EXEC: 0x4,
  GROWSDOWN: 0x01000000,
  GROWSUP: 0x02000000,
} as const;

/** Flags of mmap(2). */
export const MAP = {
  SHARED: 0x01,
  PRIVATE: 0x02,
  SHARED_VALIDATE: 0x03,
  /** The kernel may drop the pages when memory is short; they are zeros then. Since Linux 6.11. */
  DROPPABLE: 0x08,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  GROWSDOWN: 0x0100,
  DENYWRITE: 0x0800,
  EXECUTABLE: 0x1000,
  LOCKED: 0x2000,
  NORESERVE: 0x4000,
  POPULATE: 0x8000,
  NONBLOCK: 0x10000,
  STACK: 0x20000,
  HUGETLB: 0x40000,
  SYNC: 0x80000,
  FIXED_NOREPLACE: 0x100000,
} as const;

/** The size of huge pages, in the flags of mmap(2) beside MAP.HUGETLB. Default: that of the system. */
export const MAP_HUGE = hugeSizes;

/** Flags of mremap(2). */
export const MREMAP = { MAYMOVE: 1, FIXED: 2, DONTUNMAP: 4 } as const;

/** Flags of msync(2). In C they begin with MS_, as those of mount(2) do. */
export const MSYNC = { ASYNC: 1, INVALIDATE: 2, SYNC: 4 } as const;

/** Flags of mlock2(2). */
export const MLOCK = { ONFAULT: 1 } as const;

/** Flags of mlockall(2). */
export const MCL = { CURRENT: 1, FUTURE: 2, ONFAULT: 4 } as const;

/** Advice of madvise(2). */
export const MADV = {
  NORMAL: 0,
  RANDOM: 1,
  SEQUENTIAL: 2,
  WILLNEED: 3,
  DONTNEED: 4,
  FREE: 8,
  REMOVE: 9,
  DONTFORK: 10,
  DOFORK: 11,
  MERGEABLE: 12,
  UNMERGEABLE: 13,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  DONTDUMP: 16,
  DODUMP: 17,
  WIPEONFORK: 18,
  KEEPONFORK: 19,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  DONTNEED_LOCKED: 24,
  COLLAPSE: 25,
  HWPOISON: 100,
  SOFT_OFFLINE: 101,
  /** Every access to the pages is a SIGSEGV, without the cost of a mapping of their own. Since Linux 6.13. */
  GUARD_INSTALL: 102,
  GUARD_REMOVE: 103,
} as const;
