import { alignTo, type FixedCodec, reserved, struct, Uint16, Uint32 } from "../Codec.ts";
import { AF } from "../sys/socket.ts";

/**
 * Protocols of AF_NETLINK, which are the third argument of socket(2), and options at level `SOL.NETLINK`. See
 * netlink(7).
 */
export const NETLINK = {
  ROUTE: 0,
  UNUSED: 1,
  USERSOCK: 2,
  FIREWALL: 3,
  SOCK_DIAG: 4,
  INET_DIAG: 4,
  NFLOG: 5,
  XFRM: 6,
  SELINUX: 7,
  ISCSI: 8,
  AUDIT: 9,
  FIB_LOOKUP: 10,
  CONNECTOR: 11,
  NETFILTER: 12,
  IP6_FW: 13,
  DNRTMSG: 14,
  KOBJECT_UEVENT: 15,
  GENERIC: 16,
  SCSITRANSPORT: 18,
  ECRYPTFS: 19,
  RDMA: 20,
  CRYPTO: 21,
  SMC: 22,
  ADD_MEMBERSHIP: 1,
  DROP_MEMBERSHIP: 2,
  PKTINFO: 3,
  BROADCAST_ERROR: 4,
  NO_ENOBUFS: 5,
  RX_RING: 6,
  TX_RING: 7,
  LISTEN_ALL_NSID: 8,
  LIST_MEMBERSHIPS: 9,
  CAP_ACK: 10,
  EXT_ACK: 11,
  GET_STRICT_CHK: 12,
} as const;

/** Flags of a netlink message. See netlink(7). */
export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  ECHO: 0x8,
  DUMP_INTR: 0x10,
  DUMP_FILTERED: 0x20,
  ROOT: 0x100,
  MATCH: 0x200,
  ATOMIC: 0x400,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  NONREC: 0x100,
  CAPPED: 0x100,
  ACK_TLVS: 0x200,
} as const;

/** Types of netlink messages that all protocols have. See netlink(7). */
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4, MIN_TYPE: 0x10 } as const;

/** Attributes of an acknowledgement, with the option NETLINK_EXT_ACK. */
export const NLMSGERR_ATTR = { MSG: 1, OFFS: 2, COOKIE: 3, POLICY: 4 } as const;

/** Bits of the type of an attribute. */
export const NLA_F = { NESTED: 0x8000, NET_BYTEORDER: 0x4000 } as const;

/** `struct sockaddr_nl`: an address of netlink(7). */
export interface SockaddrNl {
  /** The port: 0 is the kernel, or lets bind(2) choose. */
  readonly pid: number;
  /** The multicast groups, as bits: `RTMGRP`. */
  readonly groups: number;
}

const address = struct("struct sockaddr_nl", {
  family: Uint16,
  pad: reserved(2, 2),
  pid: Uint32,
  groups: Uint32,
});

/** See {@link SockaddrNl}; 12 bytes. */
export const SockaddrNl: FixedCodec<SockaddrNl> = {
  ...address,
  encode: ({ pid, groups }, into) => address.encode({ family: AF.NETLINK, pid, groups }, into),
  decode: (bytes) => {
    const { pid, groups } = address.decode(bytes);
    return { pid, groups };
  },
};

/** `struct nlmsghdr`: what precedes the payload of a netlink message. */
export interface Nlmsghdr {
  /** Bytes, this header included, and without the padding behind. */
  readonly length: number;
  /** Of the protocol: `RTM`; or of {@link NLMSG}. */
  readonly type: number;
  /** Of {@link NLM_F}. */
  readonly flags: number;
  /** What an answer repeats. */
  readonly seq: number;
  /** The port of the socket. */
  readonly pid: number;
}

/** See {@link Nlmsghdr}; 16 bytes. */
export const Nlmsghdr: FixedCodec<Nlmsghdr> = struct("struct nlmsghdr", {
  length: Uint32,
  type: Uint16,
  flags: Uint16,
  seq: Uint32,
  pid: Uint32,
});

/** A netlink message: its header without the length, and the bytes behind it. */
export interface NetlinkMessage extends Omit<Nlmsghdr, "length"> {
  /** The bytes behind the header. */
  readonly payload: Uint8Array;
}

/** An attribute of a netlink message: `struct nlattr`, and the bytes behind it. */
export interface NetlinkAttribute {
  /** Without the bits of {@link NLA_F} when it is decoded. */
  readonly type: number;
  /** The bytes behind the header. */
  readonly payload: Uint8Array;
}

const NLA_HEADER = 4;

/** A netlink message as bytes, padded to a multiple of 4. */
export const encodeNetlink = ({ payload, ...header }: NetlinkMessage): Uint8Array => {
  const length = Nlmsghdr.size + payload.length;
  const bytes = new Uint8Array(alignTo(length, 4));
  Nlmsghdr.encode({ ...header, length }, bytes);
  bytes.set(payload, Nlmsghdr.size);
  return bytes;
};

/**
 * The netlink messages in the bytes of one datagram.
 *
 * @throws RangeError when a message does not lie within the bytes.
 */
export const decodeNetlink = (bytes: Uint8Array): ReadonlyArray<NetlinkMessage> => {
  const messages: Array<NetlinkMessage> = [];
  for (let at = 0; at + Nlmsghdr.size <= bytes.length; ) {
    const { length, ...header } = Nlmsghdr.decode(bytes.subarray(at));
    if (length < Nlmsghdr.size || at + length > bytes.length)
      throw new RangeError(`${Nlmsghdr.name} at ${at} of ${bytes.length} has length ${length}`);
    const payload = new Uint8Array(bytes.subarray(at + Nlmsghdr.size, at + length));
    messages.push({ ...header, payload });
    at += alignTo(length, 4);
  }
  return messages;
};

/** Attributes as bytes, each padded to a multiple of 4. RangeError for one that is too long. */
export const encodeAttributes = (attributes: ReadonlyArray<NetlinkAttribute>): Uint8Array => {
  const size = attributes.reduce(
    (sum, { payload }) => sum + alignTo(NLA_HEADER + payload.length, 4),
    0,
  );
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const { type, payload } of attributes) {
    Uint16.encode(NLA_HEADER + payload.length, bytes.subarray(at));
    Uint16.encode(type, bytes.subarray(at + 2));
    bytes.set(payload, at + NLA_HEADER);
    at += alignTo(NLA_HEADER + payload.length, 4);
  }
  return bytes;
};

/**
 * The attributes in the bytes of a message or of another attribute.
 *
 * @throws RangeError when an attribute does not lie within the bytes.
 */
export const decodeAttributes = (bytes: Uint8Array): ReadonlyArray<NetlinkAttribute> => {
  const attributes: Array<NetlinkAttribute> = [];
  for (let at = 0; at + NLA_HEADER <= bytes.length; ) {
    const length = Uint16.decode(bytes.subarray(at));
    const type = Uint16.decode(bytes.subarray(at + 2)) & ~(NLA_F.NESTED | NLA_F.NET_BYTEORDER);
    if (length < NLA_HEADER || at + length > bytes.length)
      throw new RangeError(`struct nlattr at ${at} of ${bytes.length} has length ${length}`);
    attributes.push({
      type,
      payload: new Uint8Array(bytes.subarray(at + NLA_HEADER, at + length)),
    });
    at += alignTo(length, 4);
  }
  return attributes;
};
