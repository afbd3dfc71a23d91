import { type Codec, type FixedCodec, Uint16 } from "../Codec.ts";
import { SockaddrLl } from "../linux/if_packet.ts";
import { SockaddrNl } from "../linux/netlink.ts";
import { SockaddrVm } from "../linux/vm_sockets.ts";
import { SockaddrIn, SockaddrIn6 } from "../netinet/in.ts";
import { AF } from "./socket.ts";
import { SockaddrUn } from "./un.ts";

/** An address of a family that has no codec here: `struct sockaddr`. */
export interface UnknownSockaddr {
  /** Of `AF`. */
  readonly family: number;
  /** The bytes behind the family. */
  readonly data: Uint8Array;
}

/**
 * An address of a socket, of any family. See socket(7), unix(7), ip(7), ipv6(7), netlink(7), packet(7), vsock(7).
 * `family` is a name, or the number of a family that has no codec here.
 */
export type Sockaddr =
  | { readonly family: "unix"; readonly path: string | Uint8Array }
  | ({ readonly family: "inet" } & SockaddrIn)
  | ({ readonly family: "inet6" } & SockaddrIn6)
  | ({ readonly family: "netlink" } & SockaddrNl)
  | ({ readonly family: "packet" } & SockaddrLl)
  | ({ readonly family: "vsock" } & SockaddrVm)
  | UnknownSockaddr;

/** The families whose addresses have one size. */
const families: ReadonlyArray<readonly [name: string, number: number, codec: FixedCodec<object>]> =
  [
    ["inet", AF.INET, SockaddrIn],
    ["inet6", AF.INET6, SockaddrIn6],
    ["netlink", AF.NETLINK, SockaddrNl],
    ["packet", AF.PACKET, SockaddrLl],
    ["vsock", AF.VSOCK, SockaddrVm],
  ];

const byName: ReadonlyMap<string, Codec<object>> = new Map<string, Codec<object>>([
  ["unix", SockaddrUn],
  ...families.map(([name, , codec]) => [name, codec] as const),
]);

const byNumber = new Map(families.map(([name, number, codec]) => [number, { name, codec }]));

const FAMILY_SIZE = 2;

/** The bytes that the kernel takes for an address. Throws RangeError for what is no address. */
export const encodeSockaddr = (address: Sockaddr): Uint8Array => {
  if (typeof address.family === "number") {
    const { family, data } = address;
    const bytes = new Uint8Array(FAMILY_SIZE + data.length);
    Uint16.encode(family, bytes);
    bytes.set(data, FAMILY_SIZE);
    return bytes;
  }
  const codec = byName.get(address.family);
  if (codec === undefined) throw new RangeError(`${String(address.family)} is no address family`);
  const bytes = new Uint8Array(codec.sizeOf(address));
  codec.encode(address, bytes);
  return bytes;
};

/**
 * What the kernel gave for an address; undefined for no address at all. One of another family, or too short for its
 * own, keeps its bytes.
 */
export const decodeSockaddr = (bytes: Uint8Array): Sockaddr | undefined => {
  if (bytes.length < FAMILY_SIZE) return undefined;
  const family = Uint16.decode(bytes);
  if (family === AF.UNIX) return { family: "unix", ...SockaddrUn.decode(bytes) };
  const known = byNumber.get(family);
  return known === undefined || bytes.length < known.codec.size
    ? { family, data: new Uint8Array(bytes.subarray(FAMILY_SIZE)) }
    : ({ family: known.name, ...known.codec.decode(bytes) } as Sockaddr);
};

/** Room for an address of any family: `struct sockaddr_storage`, in bytes. */
export const SOCKADDR_STORAGE_SIZE = 128;
