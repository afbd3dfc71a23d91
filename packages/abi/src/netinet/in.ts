import { type FixedCodec, Int32, struct, Uint32 } from "../Codec.ts";
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
  const parts = String(address).split(".");
  const isNumber = (part: string) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256;
  if (parts.length !== 4 || !parts.every(isNumber))
    throw new RangeError(`${JSON.stringify(String(address))} is no IPv4 address`);
  return parts.map(Number);
};

/** `struct in_addr`: an IPv4 address as four numbers, "127.0.0.1"; 4 bytes. See inet(3). */
export const InAddr: FixedCodec<string> = {
  name: "struct in_addr",
  size: 4,
  alignment: 4,
  sizeOf: () => 4,
  encode: (address, into) => into.set(inetBytes(address)),
  decode: (bytes) => {
    if (bytes.length < 4) throw new RangeError(`${bytes.length} bytes are no IPv4 address`);
    return bytes.subarray(0, 4).join(".");
  },
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
    InAddr.encode(address, into.subarray(4));
    into.fill(0, 8, 16);
  },
  decode: (bytes) => ({
    address: InAddr.decode(bytes.subarray(4)),
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

/** `struct in6_addr`: an IPv6 address as RFC 5952 writes it, "::1"; 16 bytes. See ipv6(7). */
export const In6Addr: FixedCodec<string> = {
  name: "struct in6_addr",
  size: 16,
  alignment: 4,
  sizeOf: () => 16,
  encode: (address, into) => {
    const view = new DataView(into.buffer, into.byteOffset, 16);
    for (const [i, word] of inet6Words(address).entries()) view.setUint16(2 * i, word);
  },
  decode: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i));
    return inet6Text(words, bytes.subarray(12, 16));
  },
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
    In6Addr.encode(address, into.subarray(8));
    view.setUint32(24, scopeId, true);
  },
  decode: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 28);
    return {
      address: In6Addr.decode(bytes.subarray(8)),
      port: view.getUint16(2),
      flowinfo: view.getUint32(4),
      scopeId: view.getUint32(24, true),
    };
  },
};

/** Protocols over IP: the third argument of socket(2). See ip(7). */
export const IPPROTO = {
  IP: 0,
  HOPOPTS: 0,
  ICMP: 1,
  IGMP: 2,
  IPIP: 4,
  TCP: 6,
  EGP: 8,
  PUP: 12,
  UDP: 17,
  IDP: 22,
  TP: 29,
  DCCP: 33,
  IPV6: 41,
  ROUTING: 43,
  FRAGMENT: 44,
  RSVP: 46,
  GRE: 47,
  ESP: 50,
  AH: 51,
  ICMPV6: 58,
  NONE: 59,
  DSTOPTS: 60,
  MTP: 92,
  BEETPH: 94,
  ENCAP: 98,
  PIM: 103,
  COMP: 108,
  L2TP: 115,
  SCTP: 132,
  MH: 135,
  UDPLITE: 136,
  MPLS: 137,
  ETHERNET: 143,
  RAW: 255,
  MPTCP: 262,
} as const;

/** Options at level `SOL.IP`, and values of IP_MTU_DISCOVER (PMTUDISC). See ip(7). */
export const IP = {
  TOS: 1,
  TTL: 2,
  HDRINCL: 3,
  OPTIONS: 4,
  ROUTER_ALERT: 5,
  RECVOPTS: 6,
  RETOPTS: 7,
  RECVRETOPTS: 7,
  PKTINFO: 8,
  PKTOPTIONS: 9,
  MTU_DISCOVER: 10,
  RECVERR: 11,
  RECVTTL: 12,
  RECVTOS: 13,
  MTU: 14,
  FREEBIND: 15,
  IPSEC_POLICY: 16,
  XFRM_POLICY: 17,
  PASSSEC: 18,
  TRANSPARENT: 19,
  ORIGDSTADDR: 20,
  RECVORIGDSTADDR: 20,
  MINTTL: 21,
  NODEFRAG: 22,
  CHECKSUM: 23,
  BIND_ADDRESS_NO_PORT: 24,
  RECVFRAGSIZE: 25,
  RECVERR_RFC4884: 26,
  MULTICAST_IF: 32,
  MULTICAST_TTL: 33,
  MULTICAST_LOOP: 34,
  ADD_MEMBERSHIP: 35,
  DROP_MEMBERSHIP: 36,
  UNBLOCK_SOURCE: 37,
  BLOCK_SOURCE: 38,
  ADD_SOURCE_MEMBERSHIP: 39,
  DROP_SOURCE_MEMBERSHIP: 40,
  MSFILTER: 41,
  MULTICAST_ALL: 49,
  UNICAST_IF: 50,
  LOCAL_PORT_RANGE: 51,
  PROTOCOL: 52,
  PMTUDISC_DONT: 0,
  PMTUDISC_WANT: 1,
  PMTUDISC_DO: 2,
  PMTUDISC_PROBE: 3,
  PMTUDISC_INTERFACE: 4,
  PMTUDISC_OMIT: 5,
} as const;

/** Options at level `SOL.IPV6`, and values of IPV6_MTU_DISCOVER (PMTUDISC). See ipv6(7). */
export const IPV6 = {
  ADDRFORM: 1,
  CHECKSUM: 7,
  NEXTHOP: 9,
  AUTHHDR: 10,
  UNICAST_HOPS: 16,
  MULTICAST_IF: 17,
  MULTICAST_HOPS: 18,
  MULTICAST_LOOP: 19,
  ADD_MEMBERSHIP: 20,
  JOIN_GROUP: 20,
  DROP_MEMBERSHIP: 21,
  LEAVE_GROUP: 21,
  ROUTER_ALERT: 22,
  MTU_DISCOVER: 23,
  MTU: 24,
  RECVERR: 25,
  V6ONLY: 26,
  JOIN_ANYCAST: 27,
  LEAVE_ANYCAST: 28,
  MULTICAST_ALL: 29,
  ROUTER_ALERT_ISOLATE: 30,
  RECVERR_RFC4884: 31,
  IPSEC_POLICY: 34,
  XFRM_POLICY: 35,
  HDRINCL: 36,
  RECVPKTINFO: 49,
  PKTINFO: 50,
  RECVHOPLIMIT: 51,
  HOPLIMIT: 52,
  RECVHOPOPTS: 53,
  HOPOPTS: 54,
  RTHDRDSTOPTS: 55,
  RECVRTHDR: 56,
  RTHDR: 57,
  RECVDSTOPTS: 58,
  DSTOPTS: 59,
  RECVPATHMTU: 60,
  PATHMTU: 61,
  DONTFRAG: 62,
  RECVTCLASS: 66,
  TCLASS: 67,
  AUTOFLOWLABEL: 70,
  ADDR_PREFERENCES: 72,
  MINHOPCOUNT: 73,
  ORIGDSTADDR: 74,
  RECVORIGDSTADDR: 74,
  TRANSPARENT: 75,
  UNICAST_IF: 76,
  RECVFRAGSIZE: 77,
  FREEBIND: 78,
  PMTUDISC_DONT: 0,
  PMTUDISC_WANT: 1,
  PMTUDISC_DO: 2,
  PMTUDISC_PROBE: 3,
  PMTUDISC_INTERFACE: 4,
  PMTUDISC_OMIT: 5,
} as const;

/** `struct in_pktinfo` of IP_PKTINFO: where a datagram came in, or is to go out. See ip(7). */
export interface InPktinfo {
  /** The number of the interface; 0 lets the kernel choose. */
  readonly ifindex: number;
  /** The local address of the datagram: its source when it is sent. */
  readonly specDst: string;
  /** The destination in the header of a received datagram; ignored when it is sent. Default: 0.0.0.0. */
  readonly address?: string;
}

const inPktinfo = struct("struct in_pktinfo", { ifindex: Int32, specDst: InAddr, address: InAddr });

/** See {@link InPktinfo}; 12 bytes. */
export const InPktinfo: FixedCodec<InPktinfo> = {
  ...inPktinfo,
  encode: (value, into) => inPktinfo.encode({ address: "0.0.0.0", ...value }, into),
};

/** `struct in6_pktinfo` of IPV6_PKTINFO: where a datagram came in, or is to go out. See ipv6(7). */
export interface In6Pktinfo {
  /** The destination of a received datagram; the source of one that is sent. */
  readonly address: string;
  /** The number of the interface; 0 lets the kernel choose. */
  readonly ifindex: number;
}

/** See {@link In6Pktinfo}; 20 bytes. */
export const In6Pktinfo: FixedCodec<In6Pktinfo> = struct("struct in6_pktinfo", {
  address: In6Addr,
  ifindex: Uint32,
});

/** `struct ip_mreqn`: a multicast group on an interface. See ip(7). */
export interface IpMreqn {
  /** The address of the group. */
  readonly multiaddr: string;
  /** The address of the interface; "0.0.0.0" lets the kernel, or `ifindex`, choose. */
  readonly address: string;
  /** The number of the interface; 0 lets the kernel choose. */
  readonly ifindex: number;
}

/** See {@link IpMreqn}; 12 bytes. */
export const IpMreqn: FixedCodec<IpMreqn> = struct("struct ip_mreqn", {
  multiaddr: InAddr,
  address: InAddr,
  ifindex: Int32,
});

/** `struct ipv6_mreq`: a multicast group on an interface. See ipv6(7). */
export interface Ipv6Mreq {
  /** The address of the group. */
  readonly multiaddr: string;
  /** The number of the interface; 0 lets the kernel choose. */
  readonly ifindex: number;
}

/** See {@link Ipv6Mreq}; 20 bytes. */
export const Ipv6Mreq: FixedCodec<Ipv6Mreq> = struct("struct ipv6_mreq", {
  multiaddr: In6Addr,
  ifindex: Uint32,
});

/** A number of 16 bits in the byte order of the network, as socket(2) wants the protocol of AF_PACKET: htons(3). */
export const htons = (value: number): number => ((value & 0xff) << 8) | ((value >> 8) & 0xff);
