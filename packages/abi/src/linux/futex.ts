import { Int64, struct, Uint32, Uint64 } from "../Codec.ts";

/** Operations of futex(2), and a flag of theirs. */
export const FUTEX = {
  WAIT: 0,
  WAKE: 1,
  REQUEUE: 3,
  CMP_REQUEUE: 4,
  WAKE_OP: 5,
  LOCK_PI: 6,
  UNLOCK_PI: 7,
  TRYLOCK_PI: 8,
  WAIT_BITSET: 9,
  WAKE_BITSET: 10,
  WAIT_REQUEUE_PI: 11,
  CMP_REQUEUE_PI: 12,
  LOCK_PI2: 13,
  /** Only threads of one address space use the futex. Those that the kernel itself wakes are not private. */
  PRIVATE_FLAG: 128,
  CLOCK_REALTIME: 256,
  /** Bits of the word itself: a thread waits; its owner has died; the owner's tid. */
  WAITERS: 0x80000000,
  OWNER_DIED: 0x40000000,
  TID_MASK: 0x3fffffff,
} as const;

/**
 * A robust list of one futex: `struct robust_list_head`, and the only node of its circle, which has the
 * futex word right behind its link. See set_robust_list(2).
 */
export const RobustFutex = struct("struct robust_list_head, node", {
  /** Address of the node. */
  first: Uint64,
  /** From the node to its futex word. */
  futexOffset: Int64,
  /** Address of the node that is just being locked or unlocked, or 0. */
  listOpPending: Uint64,
  /** The node: the address of the head. */
  next: Uint64,
  /** The tid of the owner, and FUTEX.WAITERS and OWNER_DIED. */
  word: Uint32,
});

/** See {@link RobustFutex}: where its parts lie, and how long the head is for the kernel. */
export const ROBUST_LIST = { HEAD_SIZE: 24, NODE: 24, WORD: 32, FUTEX_OFFSET: 8 } as const;

/** Flags of futex_wake(2), futex_wait(2) and futex_waitv(2): the size of the word, and others. */
export const FUTEX2 = {
  SIZE_U8: 0,
  SIZE_U16: 1,
  SIZE_U32: 2,
  SIZE_U64: 3,
  NUMA: 4,
  MPOL: 8,
  PRIVATE: 128,
} as const;
