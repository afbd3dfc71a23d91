import type { FixedCodec } from "../Codec.ts";
import { AF } from "../sys/socket.ts";

/** `struct sockaddr_in`: an address of the Internet, version 4. See ip(7). */
export interface SockaddrIn {
  /** As four numbers: "127.0.0.1". */
  readonly address: string;
  /** The port, from 0 to 65535; 0 lets bind(2) choose one. */
  readonly port: number;
}

/** `struct sockaddr_in6`: an address of the Internet, version 6. See ipv6(7). */
export interface SockaddrIn6 {
  /** As RFC 5952 writes it, without a zone: "::1", "::ffff:127.0.0.1". */
  readonly address: string;
  /** The port, from 0 to 65535; 0 lets bind(2) choose one. */
  readonly port: number;
  /** The traffic class and the flow label. Default: 0. */
  readonly flowinfo?: number;
  /** The interface of a link-local address. */
  readonly scopeId?: number;
}

const checkPort = (port: number): void => {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff)
    throw new RangeError(`${port} is no port`);
};

const inetBytes = (address: string): Array<number> => {
  const parts = address.split(".");
  const isNumber = (part: string) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256;
  if (parts.length !== 4 || !parts.every(isNumber))
    throw new RangeError(`${JSON.stringify(address)} is no IPv4 address`);
  return parts.map(Number);
};

/** The machine's own order of bytes matters only for the family: ports and addresses go big end first. */
export const SockaddrIn: FixedCodec<SockaddrIn> = {
  name: "struct sockaddr_in",
  size: 16,
  alignment: 4,
  sizeOf: () => 16,
  encode: ({ address, port }, into) => {
    checkPort(port);
    const view = new DataView(into.buffer, into.byteOffset, 16);
    view.setUint16(0, AF.INET, true);
    view.setUint16(2, port);
    into.set(inetBytes(address), 4);
    into.fill(0, 8, 16);
  },
  decode: (bytes) => ({
    address: bytes.subarray(4, 8).join("."),
    port: new DataView(bytes.buffer, bytes.byteOffset, 16).getUint16(2),
  }),
};

/** As a URL has it: what knows all ways to write such an address, and the one that is preferred. */
const canonical = (address: string): string | undefined => {
  // A URL takes more than an address in its brackets' place.
  if (!/^[0-9a-f:.]+$/i.test(address)) return undefined;
  try {
    return new URL(`http://[${address}]`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
};

/** As RFC 5952 has it. An address that stands for one of IPv4 ends as that is written: section 5. */
const inet6Text = (words: ReadonlyArray<number>, inet: Uint8Array): string =>
  words.slice(0, 6).join(":") === "0:0:0:0:0:65535"
    ? `::ffff:${inet.join(".")}`
    : (canonical(words.map((word) => word.toString(16)).join(":")) as string);

const inet6Words = (address: string): Array<number> => {
  const text = canonical(address);
  if (text === undefined) throw new RangeError(`${JSON.stringify(address)} is no IPv6 address`);
  const [left = "", right] = text.split("::");
  const words = (part: string) =>
    part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  if (right === undefined) return words(left);
  const zeros = 8 - words(left).length - words(right).length;
  return [...words(left), ...Array.from({ length: zeros }, () => 0), ...words(right)];
};

/** The layout. An address that is none, or a port that is no number of 16 bits, is a RangeError. */
export const SockaddrIn6: FixedCodec<SockaddrIn6> = {
  name: "struct sockaddr_in6",
  size: 28,
  alignment: 4,
  sizeOf: () => 28,
  encode: ({ address, port, flowinfo = 0, scopeId = 0 }, into) => {
    checkPort(port);
    const view = new DataView(into.buffer, into.byteOffset, 28);
    view.setUint16(0, AF.INET6, true);
    view.setUint16(2, port);
    view.setUint32(4, flowinfo);
    for (const [i, word] of inet6Words(address).entries()) view.setUint16(8 + 2 * i, word);
    view.setUint32(24, scopeId, true);
  },
  decode: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 28);
    const words = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i));
    return {
      address: inet6Text(words, bytes.subarray(20, 24)),
      port: view.getUint16(2),
      flowinfo: view.getUint32(4),
      scopeId: view.getUint32(24, true),
    };
  },
};
