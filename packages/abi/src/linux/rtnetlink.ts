import {
  type Codec,
  CString,
  type FixedCodec,
  Int32,
  reserved,
  struct,
  Uint8,
  Uint16,
  Uint32,
} from "../Codec.ts";
import { In6Addr, InAddr } from "../netinet/in.ts";
import { AF } from "../sys/socket.ts";
import { IFA, Ifaddrmsg } from "./if_addr.ts";
import { IFLA, IFLA_INFO } from "./if_link.ts";
import { decodeAttributes, type NetlinkAttribute, type NetlinkMessage } from "./netlink.ts";

/** Types of messages of NETLINK_ROUTE. See rtnetlink(7). */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWRULE: 32,
  DELRULE: 33,
  GETRULE: 34,
  NEWQDISC: 36,
  DELQDISC: 37,
  GETQDISC: 38,
  NEWNSID: 88,
  DELNSID: 89,
  GETNSID: 90,
} as const;

/** Multicast groups of NETLINK_ROUTE, as bits of an address. See rtnetlink(7). */
export const RTMGRP = {
  LINK: 0x1,
  NOTIFY: 0x2,
  NEIGH: 0x4,
  TC: 0x8,
  IPV4_IFADDR: 0x10,
  IPV4_MROUTE: 0x20,
  IPV4_ROUTE: 0x40,
  IPV4_RULE: 0x80,
  IPV6_IFADDR: 0x100,
  IPV6_MROUTE: 0x200,
  IPV6_ROUTE: 0x400,
  IPV6_IFINFO: 0x800,
  DECnet_IFADDR: 0x1000,
  DECnet_ROUTE: 0x4000,
  IPV6_PREFIX: 0x20000,
} as const;

/** Types of routes. See rtnetlink(7). */
export const RTN = {
  UNSPEC: 0,
  UNICAST: 1,
  LOCAL: 2,
  BROADCAST: 3,
  ANYCAST: 4,
  MULTICAST: 5,
  BLACKHOLE: 6,
  UNREACHABLE: 7,
  PROHIBIT: 8,
  THROW: 9,
  NAT: 10,
} as const;

/** What has made a route. See rtnetlink(7). */
export const RTPROT = {
  UNSPEC: 0,
  REDIRECT: 1,
  KERNEL: 2,
  BOOT: 3,
  STATIC: 4,
  RA: 9,
  DHCP: 16,
} as const;

/** How far away a destination is. See rtnetlink(7). */
export const RT_SCOPE = { UNIVERSE: 0, SITE: 200, LINK: 253, HOST: 254, NOWHERE: 255 } as const;

/** Tables of routes. See rtnetlink(7). */
export const RT_TABLE = { UNSPEC: 0, COMPAT: 252, DEFAULT: 253, MAIN: 254, LOCAL: 255 } as const;

/** Attributes of a route. See rtnetlink(7). */
export const RTA = {
  UNSPEC: 0,
  DST: 1,
  SRC: 2,
  IIF: 3,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  PROTOINFO: 10,
  FLOW: 11,
  CACHEINFO: 12,
  SESSION: 13,
  MP_ALGO: 14,
  TABLE: 15,
  MARK: 16,
} as const;

/** `struct ifinfomsg`: what precedes the attributes of a link. See rtnetlink(7). */
export interface Ifinfomsg {
  /** Of `AF`; UNSPEC. */
  readonly family: number;
  /** The kind of hardware: 1 is Ethernet, 772 loopback. */
  readonly type: number;
  /** The number of the interface. */
  readonly index: number;
  /** Of `IFF`. */
  readonly flags: number;
  /** Which of the flags a request changes. */
  readonly change: number;
}

/** See {@link Ifinfomsg}; 16 bytes. */
export const Ifinfomsg: FixedCodec<Ifinfomsg> = struct("struct ifinfomsg", {
  family: Uint8,
  pad: reserved(1),
  type: Uint16,
  index: Int32,
  flags: Uint32,
  change: Uint32,
});

/** `struct rtmsg`: what precedes the attributes of a route. See rtnetlink(7). */
export interface Rtmsg {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  /** Bits of the destination that count; 0 for a default route. */
  readonly dstLen: number;
  /** Bits of the source that count. */
  readonly srcLen: number;
  /** The type of service. */
  readonly tos: number;
  /** Of {@link RT_TABLE}, if it fits into 8 bits. */
  readonly table: number;
  /** Of {@link RTPROT}. */
  readonly protocol: number;
  /** Of {@link RT_SCOPE}. */
  readonly scope: number;
  /** Of {@link RTN}. */
  readonly type: number;
  /** RTM_F_CLONED and so on. */
  readonly flags: number;
}

/** See {@link Rtmsg}; 12 bytes. */
export const Rtmsg: FixedCodec<Rtmsg> = struct("struct rtmsg", {
  family: Uint8,
  dstLen: Uint8,
  srcLen: Uint8,
  tos: Uint8,
  table: Uint8,
  protocol: Uint8,
  scope: Uint8,
  type: Uint8,
  flags: Uint32,
});

/** A network interface. */
export interface Link {
  /** Its number in its network namespace. */
  readonly index: number;
  /** Its name: "lo". */
  readonly name: string;
  /** The kind of hardware: 1 is Ethernet, 772 loopback. */
  readonly type: number;
  /** Of `IFF`. */
  readonly flags: number;
  /** The largest packet; bytes. */
  readonly mtu: number | undefined;
  /** The hardware address. */
  readonly address: Uint8Array | undefined;
  /** What it is, if it is not hardware: "veth", "bridge". */
  readonly kind: string | undefined;
  /** The number of the bridge or bond that it belongs to. */
  readonly master: number | undefined;
  /** The number of the interface below it, or of the other end of a veth, in the namespace of that interface. */
  readonly link: number | undefined;
}

/** An address of an interface. */
export interface LinkAddress {
  /** The number of the interface. */
  readonly index: number;
  /** Which of the two families. */
  readonly family: "inet" | "inet6";
  /** The address: "10.0.0.1". */
  readonly address: string;
  /** Bits of the address that name the network. */
  readonly prefixLength: number;
  /** Of {@link RT_SCOPE}. */
  readonly scope: number;
  /** Of `IFA_F`. */
  readonly flags: number;
}

/** A network: the addresses that begin with the same bits. */
export interface Network {
  /** One of the addresses. */
  readonly address: string;
  /** Bits that count. */
  readonly prefixLength: number;
}

/** A route. */
export interface Route {
  /** Which of the two families. */
  readonly family: "inet" | "inet6";
  /** Where it leads; undefined for the default route. */
  readonly destination: Network | undefined;
  /** The address of the next node. */
  readonly gateway: string | undefined;
  /** The number of the interface. */
  readonly index: number | undefined;
  /** Of {@link RT_TABLE}, or another. */
  readonly table: number;
  /** Of {@link RTPROT}. */
  readonly protocol: number;
  /** Of {@link RT_SCOPE}. */
  readonly scope: number;
  /** Of {@link RTN}. */
  readonly type: number;
  /** The smaller one is preferred. */
  readonly priority: number | undefined;
  /** The source of packets. */
  readonly preferredSource: string | undefined;
}

type Attributes = ReadonlyArray<NetlinkAttribute>;

/** The value of an attribute; undefined if it is missing. RangeError if its bytes are no value. */
const attributeValue = <A>(
  attributes: Attributes,
  type: number,
  codec: Codec<A>,
): A | undefined => {
  const found = attributes.find((attribute) => attribute.type === type);
  if (found === undefined) return undefined;
  if (codec.size !== undefined && found.payload.length < codec.size)
    throw new RangeError(`attribute ${type} has ${found.payload.length} bytes, not ${codec.size}`);
  return codec.decode(found.payload);
};

const textOf = (attributes: Attributes, type: number): string | undefined => {
  const bytes = bytesOf(attributes, type);
  return bytes === undefined ? undefined : CString.decode(bytes);
};

const attributesOf = (payload: Uint8Array, { size }: FixedCodec<unknown>): Attributes =>
  decodeAttributes(payload.subarray(size));

/** The text of addresses of a family. */
const families: ReadonlyMap<number, readonly ["inet" | "inet6", FixedCodec<string>]> = new Map([
  [AF.INET, ["inet", InAddr]],
  [AF.INET6, ["inet6", In6Addr]],
]);

const bytesOf = (attributes: Attributes, type: number): Uint8Array | undefined =>
  attributes.find((attribute) => attribute.type === type)?.payload;

/**
 * A link of RTM_NEWLINK or RTM_DELLINK.
 *
 * @throws RangeError for bytes that are none.
 */
export const decodeLink = ({ payload }: Pick<NetlinkMessage, "payload">): Link => {
  const { index, type, flags } = Ifinfomsg.decode(payload);
  const attributes = attributesOf(payload, Ifinfomsg);
  const info = decodeAttributes(bytesOf(attributes, IFLA.LINKINFO) ?? new Uint8Array(0));
  return {
    index,
    name: textOf(attributes, IFLA.IFNAME) ?? "",
    type,
    flags,
    mtu: attributeValue(attributes, IFLA.MTU, Uint32),
    address: bytesOf(attributes, IFLA.ADDRESS),
    kind: textOf(info, IFLA_INFO.KIND),
    master: attributeValue(attributes, IFLA.MASTER, Uint32),
    link: attributeValue(attributes, IFLA.LINK, Uint32),
  };
};

/**
 * An address of RTM_NEWADDR or RTM_DELADDR; undefined for another family than IPv4 and IPv6.
 *
 * @throws RangeError for bytes that are none.
 */
export const decodeLinkAddress = ({
  payload,
}: Pick<NetlinkMessage, "payload">): LinkAddress | undefined => {
  const header = Ifaddrmsg.decode(payload);
  const attributes = attributesOf(payload, Ifaddrmsg);
  const [family, codec] = families.get(header.family) ?? [];
  if (family === undefined || codec === undefined) return undefined;
  // IFA_ADDRESS of a point-to-point interface is that of the other end.
  const address =
    attributeValue(attributes, IFA.LOCAL, codec) ?? attributeValue(attributes, IFA.ADDRESS, codec);
  if (address === undefined) throw new RangeError("an address without IFA_ADDRESS");
  return {
    index: header.index,
    family,
    address,
    prefixLength: header.prefixLength,
    scope: header.scope,
    flags: attributeValue(attributes, IFA.FLAGS, Uint32) ?? header.flags,
  };
};

/**
 * A route of RTM_NEWROUTE or RTM_DELROUTE; undefined for another family than IPv4 and IPv6.
 *
 * @throws RangeError for bytes that are none.
 */
export const decodeRoute = ({ payload }: Pick<NetlinkMessage, "payload">): Route | undefined => {
  const header = Rtmsg.decode(payload);
  const attributes = attributesOf(payload, Rtmsg);
  const [family, codec] = families.get(header.family) ?? [];
  if (family === undefined || codec === undefined) return undefined;
  const destination = attributeValue(attributes, RTA.DST, codec);
  return {
    family,
    destination:
      destination === undefined ? undefined : { address: destination, prefixLength: header.dstLen },
    gateway: attributeValue(attributes, RTA.GATEWAY, codec),
    index: attributeValue(attributes, RTA.OIF, Uint32),
    table: attributeValue(attributes, RTA.TABLE, Uint32) ?? header.table,
    protocol: header.protocol,
    scope: header.scope,
    type: header.type,
    priority: attributeValue(attributes, RTA.PRIORITY, Uint32),
    preferredSource: attributeValue(attributes, RTA.PREFSRC, codec),
  };
};
