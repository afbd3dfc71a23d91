import { Uint64 } from "@rsyscall/abi";
import { encode } from "@rsyscall/handle";
import { ACCEPTED, KEEP, MAGIC, PROCESSING, REFUSED, RING, VERSION, Welcome } from "@rsyscall/wire";

const magic = Uint64.decode(new TextEncoder().encode(MAGIC));

const welcome = (status: number, flags: number, message: Uint8Array): Uint8Array => {
  const header = encode(Welcome, {
    magic,
    version: VERSION,
    status,
    messageSize: message.length,
    flags,
  });
  return new Uint8Array([...header, ...message]);
};

/** Accepts a client. Its descriptors go with it. */
export const accepted: Uint8Array = welcome(ACCEPTED, 0, new Uint8Array(0));

/** The same, and says that requests will come through the ring of its arena. */
export const acceptedWithRing: Uint8Array = welcome(ACCEPTED, RING, new Uint8Array(0));

/** The same, and keeps the connection of the handshake as the lifeline. */
export const acceptedAndKept: Uint8Array = welcome(ACCEPTED, RING | KEEP, new Uint8Array(0));

/** Says that a handler is at work, and that another welcome follows. */
export const processing: Uint8Array = welcome(PROCESSING, 0, new Uint8Array(0));

/** Turns a client away. It prints the text. */
export const refused = (problem: string): Uint8Array =>
  welcome(REFUSED, 0, new TextEncoder().encode(problem));
