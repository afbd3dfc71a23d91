import { Uint64 } from "@rsyscall/abi";
import { encode } from "@rsyscall/handle";
import { ACCEPTED, KEEP, MAGIC, PROCESSING, REFUSED, RING, VERSION, Welcome } from "@rsyscall/wire";

const magic = Uint64.decode(new TextEncoder().encode(MAGIC));

/** A welcome without what follows it, which has `messageSize` bytes. */
export const welcome = (status: number, { flags = 0, messageSize = 0 } = {}): Uint8Array =>
  encode(Welcome, { magic, version: VERSION, status, messageSize, flags });

/** Accepts a client. Its descriptors go with it. */
export const accepted: Uint8Array = welcome(ACCEPTED);

/** The same, and says that requests will come through the ring of its arena. */
export const acceptedWithRing: Uint8Array = welcome(ACCEPTED, { flags: RING });

/** The same, and keeps the connection of the handshake as the lifeline. */
export const acceptedAndKept: Uint8Array = welcome(ACCEPTED, { flags: RING | KEEP });

/** Says that a handler is at work, and that another welcome follows. */
export const processing: Uint8Array = welcome(PROCESSING);

/** Turns a client away. It prints the text. */
export const refused = (problem: string): Uint8Array => {
  const message = new TextEncoder().encode(problem);
  return new Uint8Array([...welcome(REFUSED, { messageSize: message.length }), ...message]);
};
