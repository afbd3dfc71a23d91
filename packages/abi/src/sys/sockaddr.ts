import { SockaddrIn, SockaddrIn6 } from "../netinet/in.ts";
import { AF } from "./socket.ts";
import { SockaddrUn } from "./un.ts";

/** An address of a socket, of any family. See socket(7). */
export type Sockaddr =
  | { readonly family: "unix"; readonly path: string | Uint8Array }
  | ({ readonly family: "inet" } & SockaddrIn)
  | ({ readonly family: "inet6" } & SockaddrIn6);

const bytesOf = <A>(
  codec: {
    readonly sizeOf: (value: A) => number;
    readonly encode: (value: A, into: Uint8Array) => void;
  },
  value: A,
): Uint8Array => {
  const bytes = new Uint8Array(codec.sizeOf(value));
  codec.encode(value, bytes);
  return bytes;
};

/** The bytes that the kernel takes for an address. Throws RangeError for what is no address. */
export const encodeSockaddr = (address: Sockaddr): Uint8Array => {
  switch (address.family) {
    case "unix":
      return bytesOf(SockaddrUn, address);
    case "inet":
      return bytesOf(SockaddrIn, address);
    case "inet6":
      return bytesOf(SockaddrIn6, address);
  }
};

/** What the kernel gave for an address; undefined for a family that is not known here. */
export const decodeSockaddr = (bytes: Uint8Array): Sockaddr | undefined => {
  const family = bytes.length < 2 ? AF.UNSPEC : (bytes[0] as number) | ((bytes[1] as number) << 8);
  if (family === AF.UNIX) return { family: "unix", ...SockaddrUn.decode(bytes) };
  if (family === AF.INET && bytes.length >= SockaddrIn.size)
    return { family: "inet", ...SockaddrIn.decode(bytes) };
  if (family === AF.INET6 && bytes.length >= SockaddrIn6.size)
    return { family: "inet6", ...SockaddrIn6.decode(bytes) };
  return undefined;
};

/** Room for an address of any family: `struct sockaddr_storage`, in bytes. */
export const SOCKADDR_STORAGE_SIZE = 128;
