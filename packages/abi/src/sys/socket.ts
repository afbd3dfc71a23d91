import {
  alignTo,
  type FixedCodec,
  Int32,
  Int64,
  IntBoolean,
  listOf,
  struct,
  Uint32,
} from "../Codec.ts";

/** Address families. See socket(2), address_families(7). */
export const AF = {
  UNSPEC: 0,
  UNIX: 1,
  LOCAL: 1,
  INET: 2,
  AX25: 3,
  IPX: 4,
  APPLETALK: 5,
  BRIDGE: 7,
  X25: 9,
  INET6: 10,
  KEY: 15,
  NETLINK: 16,
  PACKET: 17,
  RDS: 21,
  PPPOX: 24,
  LLC: 26,
  IB: 27,
  MPLS: 28,
  CAN: 29,
  TIPC: 30,
  BLUETOOTH: 31,
  IUCV: 32,
  RXRPC: 33,
  PHONET: 35,
  IEEE802154: 36,
  CAIF: 37,
  ALG: 38,
  NFC: 39,
  VSOCK: 40,
  KCM: 41,
  QIPCRTR: 42,
  SMC: 43,
  XDP: 44,
  MCTP: 45,
} as const;

/** Types of sockets, and flags that may be added to them. See socket(2). */
export const SOCK = {
  STREAM: 1,
  DGRAM: 2,
  RAW: 3,
  RDM: 4,
  SEQPACKET: 5,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
} as const;

/** Levels of options and of control messages. See getsockopt(2). */
export const SOL = {
  IP: 0,
  SOCKET: 1,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  RAW: 255,
  PACKET: 263,
  NETLINK: 270,
  TIPC: 271,
  BLUETOOTH: 274,
  ALG: 279,
  KCM: 281,
  TLS: 282,
  XDP: 283,
  MPTCP: 284,
  VSOCK: 287,
} as const;

/** Options of sockets at level `SOL.SOCKET`. See socket(7). */
export const SO = {
  DEBUG: 1,
  REUSEADDR: 2,
  TYPE: 3,
  ERROR: 4,
  DONTROUTE: 5,
  BROADCAST: 6,
  SNDBUF: 7,
  RCVBUF: 8,
  KEEPALIVE: 9,
  OOBINLINE: 10,
  NO_CHECK: 11,
  PRIORITY: 12,
  LINGER: 13,
  BSDCOMPAT: 14,
  REUSEPORT: 15,
  PASSCRED: 16,
  PEERCRED: 17,
  RCVLOWAT: 18,
  SNDLOWAT: 19,
  RCVTIMEO: 20,
  SNDTIMEO: 21,
  BINDTODEVICE: 25,
  ATTACH_FILTER: 26,
  GET_FILTER: 26,
  DETACH_FILTER: 27,
  DETACH_BPF: 27,
  PEERNAME: 28,
  TIMESTAMP: 29,
  ACCEPTCONN: 30,
  PEERSEC: 31,
  SNDBUFFORCE: 32,
  RCVBUFFORCE: 33,
  PASSSEC: 34,
  TIMESTAMPNS: 35,
  MARK: 36,
  TIMESTAMPING: 37,
  PROTOCOL: 38,
  DOMAIN: 39,
  RXQ_OVFL: 40,
  WIFI_STATUS: 41,
  PEEK_OFF: 42,
  NOFCS: 43,
  LOCK_FILTER: 44,
  SELECT_ERR_QUEUE: 45,
  BUSY_POLL: 46,
  MAX_PACING_RATE: 47,
  BPF_EXTENSIONS: 48,
  INCOMING_CPU: 49,
  ATTACH_BPF: 50,
  ATTACH_REUSEPORT_CBPF: 51,
  ATTACH_REUSEPORT_EBPF: 52,
  CNX_ADVICE: 53,
  MEMINFO: 55,
  INCOMING_NAPI_ID: 56,
  COOKIE: 57,
  PEERGROUPS: 59,
  ZEROCOPY: 60,
  TXTIME: 61,
  BINDTOIFINDEX: 62,
  TIMESTAMP_NEW: 63,
  TIMESTAMPNS_NEW: 64,
  TIMESTAMPING_NEW: 65,
  RCVTIMEO_NEW: 66,
  SNDTIMEO_NEW: 67,
  DETACH_REUSEPORT_BPF: 68,
  PREFER_BUSY_POLL: 69,
  BUSY_POLL_BUDGET: 70,
  NETNS_COOKIE: 71,
  BUF_LOCK: 72,
  RESERVE_MEM: 73,
  TXREHASH: 74,
  RCVMARK: 75,
  PASSPIDFD: 76,
  PEERPIDFD: 77,
  DEVMEM_LINEAR: 78,
  DEVMEM_DMABUF: 79,
  DEVMEM_DONTNEED: 80,
  RCVPRIORITY: 82,
  PASSRIGHTS: 83,
} as const;

/** Flags of send(2) and recv(2). */
export const MSG = {
  OOB: 0x1,
  PEEK: 0x2,
  DONTROUTE: 0x4,
  CTRUNC: 0x8,
  TRUNC: 0x20,
  DONTWAIT: 0x40,
  EOR: 0x80,
  WAITALL: 0x100,
  CONFIRM: 0x800,
  ERRQUEUE: 0x2000,
  NOSIGNAL: 0x4000,
  MORE: 0x8000,
  WAITFORONE: 0x10000,
  ZEROCOPY: 0x4000000,
  FASTOPEN: 0x20000000,
  CMSG_CLOEXEC: 0x40000000,
} as const;

/** What shutdown(2) ends. */
export const SHUT = { RD: 0, WR: 1, RDWR: 2 } as const;

/** Types of control messages at level `SOL.SOCKET`. See unix(7), socket(7). */
export const SCM = {
  RIGHTS: 1,
  CREDENTIALS: 2,
  SECURITY: 3,
  PIDFD: 4,
  TIMESTAMP: 29,
  TIMESTAMPNS: 35,
  TIMESTAMPING: 37,
  WIFI_STATUS: 41,
  TIMESTAMPING_OPT_STATS: 54,
  TIMESTAMPING_PKTINFO: 58,
  TXTIME: 61,
} as const;

/** `struct ucred`: the process that sent a message or made a connection. See unix(7). */
export interface Ucred {
  /** The process's number in the pid namespace of the reader; 0 if it has none there. */
  readonly pid: number;
  /** The effective user of the process. */
  readonly uid: number;
  /** The effective group of the process. */
  readonly gid: number;
}

/** See {@link Ucred}; 12 bytes. */
export const Ucred: FixedCodec<Ucred> = struct("struct ucred", {
  pid: Int32,
  uid: Uint32,
  gid: Uint32,
});

/** `struct linger` of SO_LINGER: whether close(2) waits until the queued bytes are sent. See socket(7). */
export interface Linger {
  /** Whether it waits at all. With `seconds` 0 the connection is reset instead. */
  readonly on: boolean;
  /** How long it waits at most; seconds. */
  readonly seconds: number;
}

/** See {@link Linger}; 8 bytes. */
export const Linger: FixedCodec<Linger> = struct("struct linger", {
  on: IntBoolean,
  seconds: Int32,
});

/** `struct msghdr` of sendmsg(2) and recvmsg(2). */
export interface Msghdr {
  /** The address of the socket address; 0 for none. */
  readonly name: number;
  /** Bytes. */
  readonly nameLength: number;
  /** The address of the array of `struct iovec`. */
  readonly iov: number;
  /** Elements. */
  readonly iovLength: number;
  /** The address of the control messages; 0 for none. */
  readonly control: number;
  /** Bytes. */
  readonly controlLength: number;
  /** Set by recvmsg(2), of {@link MSG}. */
  readonly flags: number;
}

/** See {@link Msghdr}; 56 bytes. */
export const Msghdr: FixedCodec<Msghdr> = struct("struct msghdr", {
  name: Int64,
  nameLength: Uint32,
  iov: Int64,
  iovLength: Int64,
  control: Int64,
  controlLength: Int64,
  flags: Uint32,
});

/** `struct mmsghdr`: one of the messages of sendmmsg(2) and recvmmsg(2). */
export interface Mmsghdr {
  /** The message. */
  readonly header: Msghdr;
  /** Bytes that were sent or received; set by the call. */
  readonly length: number;
}

/** See {@link Mmsghdr}; 64 bytes. */
export const Mmsghdr: FixedCodec<Mmsghdr> = struct("struct mmsghdr", {
  header: Msghdr,
  length: Uint32,
});

/** `struct cmsghdr`: what precedes the data of a control message. See cmsg(3). */
export interface Cmsghdr {
  /** Bytes, this header included, and without the padding behind the data. */
  readonly length: number;
  /** The protocol that the message belongs to: `SOL.SOCKET`. */
  readonly level: number;
  /** What the message is, within its level: `SCM.RIGHTS`. */
  readonly type: number;
}

/** See {@link Cmsghdr}; 16 bytes. */
export const Cmsghdr: FixedCodec<Cmsghdr> = struct("struct cmsghdr", {
  length: Int64,
  level: Int32,
  type: Int32,
});

/** `CMSG_ALIGN`: so many bytes with the padding behind them. See cmsg(3). */
export const cmsgAlign = (length: number): number => alignTo(length, 8);

/** `CMSG_SPACE`: the room that a control message with so many bytes of data takes. See cmsg(3). */
export const cmsgSpace = (length: number): number => cmsgAlign(Cmsghdr.size) + cmsgAlign(length);

/** One control message. See cmsg(3). */
export interface ControlMessage {
  /** The protocol that the message belongs to: `SOL.SOCKET`. */
  readonly level: number;
  /** What the message is, within its level: `SCM.RIGHTS`. */
  readonly type: number;
  /** The bytes behind the header. */
  readonly data: Uint8Array;
}

/** The bytes of control messages, each padded to its place: what `msg_control` points to. See cmsg(3). */
export const encodeControl = (messages: ReadonlyArray<ControlMessage>): Uint8Array => {
  const size = messages.reduce((sum, { data }) => sum + cmsgSpace(data.length), 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const { level, type, data } of messages) {
    const place = bytes.subarray(at);
    Cmsghdr.encode({ length: Cmsghdr.size + data.length, level, type }, place);
    place.set(data, Cmsghdr.size);
    at += cmsgSpace(data.length);
  }
  return bytes;
};

const numbers = listOf(Int32);

/** The control message that passes these descriptors. See unix(7). */
export const encodeScmRights = (fds: ReadonlyArray<number>): Uint8Array => {
  const data = new Uint8Array(numbers.sizeOf(fds));
  numbers.encode(fds, data);
  return encodeControl([{ level: SOL.SOCKET, type: SCM.RIGHTS, data }]);
};

/**
 * The control messages in `bytes`, which are as many as recvmsg(2) set `controlLength` to. A
 * header of length 0 ends them, so that zeros behind them do no harm.
 *
 * @throws RangeError when a message does not lie within the bytes.
 */
export const decodeControl = (bytes: Uint8Array): Array<ControlMessage> => {
  const messages: Array<ControlMessage> = [];
  for (let at = 0; at + Cmsghdr.size <= bytes.length; ) {
    const { length, level, type } = Cmsghdr.decode(bytes.subarray(at));
    if (length === 0) break;
    if (length < Cmsghdr.size || at + length > bytes.length) {
      throw new RangeError(`${Cmsghdr.name} at ${at} of ${bytes.length} has length ${length}`);
    }
    const data = new Uint8Array(bytes.subarray(at + Cmsghdr.size, at + length));
    messages.push({ level, type, data });
    at += cmsgAlign(length);
  }
  return messages;
};
