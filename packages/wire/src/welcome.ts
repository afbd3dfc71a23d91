import { struct, Uint32, Uint64 } from "@rsyscall/abi";

/*
 * The answer to a hello: struct rsyscall_welcome of stub-c/include/rsyscall/protocol.h, docs/protocol.md.
 */

/** `struct rsyscall_welcome`. Behind it follow `messageSize` bytes of text. */
export const Welcome = struct("struct rsyscall_welcome", {
  magic: Uint64,
  version: Uint32,
  /** ACCEPTED or REFUSED. */
  status: Uint32,
  messageSize: Uint32,
  /** RING or 0. */
  flags: Uint32,
});

/** A status: descriptors come with the welcome. */
export const ACCEPTED = 0;

/** A status: the text says why. */
export const REFUSED = 1;

/** A flag: the requests will come through the ring of the arena, and there is no data socket. */
export const RING = 1;
