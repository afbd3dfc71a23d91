import { arrayOf, BigInt64, Int32, reserved, struct, Uint32 } from "@rsyscall/abi";

/*
 * System calls through shared memory: stub-c/include/rsyscall/ring.h, docs/protocol.md.
 */

/** Slots of a ring: the maximum number of calls that are in it at a time. */
export const RING_SLOTS = 63;

/** Call numbers are modulo this number, a multiple of the slots. */
export const RING_CALLS = RING_SLOTS * 2 ** 24;

/** A bit of a slot's number: REQUEST_PROMPT of the call. */
export const SLOT_PROMPT = 0x8000_0000;

/** `struct rsyscall_slot`: a call and its result, in one cache line. */
export const Slot = struct("struct rsyscall_slot", {
  state: Uint32,
  number: Uint32,
  args: arrayOf(BigInt64, 6),
  result: BigInt64,
});

/** `struct rsyscall_ring`: a page. It is all zeros at first. */
export const Ring = struct("struct rsyscall_ring", {
  serverSleeps: Uint32,
  clientSleeps: Uint32,
  serverCpu: Int32,
  clientCpu: Int32,
  reserved: reserved(48, 8),
  slots: arrayOf(Slot, RING_SLOTS),
});

/** Bytes of a ring: a page. */
export const RING_SIZE = Ring.size;
