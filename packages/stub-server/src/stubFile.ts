import { fsEncode } from "@rsyscall/abi";
import { Path } from "@rsyscall/near";

/*
 * The stub executable as bytes: stub-c/src/connect.c has room in it for the path of a socket.
 */

/** What is in front of the room, and the bytes of that, with a NUL at least. */
const MARK = new TextEncoder().encode("rsyscall: socket of this copy: \0");
const ROOM = 4096;

/** Where the room begins; undefined if this is no such executable. */
const roomIn = (stub: Uint8Array): number | undefined => {
  const mark = Buffer.from(stub.buffer, stub.byteOffset, stub.length).indexOf(MARK);
  const at = mark + MARK.length;
  return mark >= 0 && at + ROOM <= stub.length ? at : undefined;
};

/** Whether this is a stub executable. */
export const isStub = (file: Uint8Array): boolean => roomIn(file) !== undefined;

/** The socket that a copy names. */
export const namedSocket = (stub: Uint8Array): Path | undefined => {
  const at = roomIn(stub);
  if (at === undefined || stub[at] === 0) return undefined;
  return Path.make(stub.subarray(at, stub.indexOf(0, at)));
};

/** A copy that names a socket; undefined if there is no room for it. */
export const namingSocket = (stub: Uint8Array, socket: Path): Uint8Array | undefined => {
  const at = roomIn(stub);
  const bytes = fsEncode(socket.text);
  if (at === undefined || bytes.length >= ROOM) return undefined;
  const copy = stub.slice();
  copy.fill(0, at, at + ROOM);
  copy.set(bytes, at);
  return copy;
};
