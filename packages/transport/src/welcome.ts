import { struct, Uint32, Uint64 } from "@rsyscall/abi";
import { encode } from "@rsyscall/handle";
import { MAGIC, VERSION } from "./hello.ts";

const Welcome = struct("struct rsyscall_welcome", {
  magic: Uint64,
  version: Uint32,
  status: Uint32,
  messageSize: Uint32,
  flags: Uint32,
});

const ACCEPTED = 0;
const REFUSED = 1;
const RING = 1;

const magic = Uint64.decode(MAGIC);

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

/** What goes to a stub with its descriptors. */
export const accepted: Uint8Array = welcome(ACCEPTED, 0, new Uint8Array(0));

/** The same, and its requests will come through the ring of its arena. */
export const acceptedWithRing: Uint8Array = welcome(ACCEPTED, RING, new Uint8Array(0));

/** What goes to a client that is turned away. It prints the text. */
export const refused = (problem: string): Uint8Array =>
  welcome(REFUSED, 0, new TextEncoder().encode(problem));
