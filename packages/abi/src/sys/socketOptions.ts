import {
  Bytes,
  type Codec,
  CString,
  fixedCString,
  Int32,
  IntBoolean,
  listOf,
  Uint32,
  Uint64,
} from "../Codec.ts";
import { PACKET, TpacketStats } from "../linux/if_packet.ts";
import { NETLINK } from "../linux/netlink.ts";
import { IFNAMSIZ } from "../net/if.ts";
import { InAddr, IP, IPV6, IpMreqn, Ipv6Mreq } from "../netinet/in.ts";
import { TCP, TcpInfo } from "../netinet/tcp.ts";
import { UDP } from "../netinet/udp.ts";
import { Linger, SO, SOL, Ucred } from "./socket.ts";
import { Timeval } from "./time.ts";

/** Which option of a socket is meant: its level and number, and its name for messages. See getsockopt(2). */
export interface OptionName {
  /** The name in C. */
  readonly name: string;
  /** Of `SOL`. */
  readonly level: number;
  /** The number of the option within its level. */
  readonly number: number;
  /** The Linux that has brought the option, "6.5"; undefined if that is long ago. */
  readonly since?: string;
  /** The capability without which it cannot be changed, "CAP_NET_ADMIN"; undefined for none. */
  readonly needs?: string;
}

/** What is known of an option beside its codec: see {@link OptionName}. */
export type OptionNotes = Pick<OptionName, "since" | "needs">;

/** An option that getsockopt(2) gives. */
export interface ReadableOption<out A> extends OptionName {
  /** Reads the value. The kernel may give fewer bytes than `room`. */
  readonly get: { readonly room: number; readonly decode: (bytes: Uint8Array) => A };
}

/** An option that setsockopt(2) sets. */
export interface WritableOption<in A> extends OptionName {
  /** How the value lies in memory. */
  readonly set: Pick<Codec<A>, "name" | "alignment" | "sizeOf" | "encode">;
}

/** An option with the codec of its value. */
export type SocketOption<A> = ReadableOption<A> & WritableOption<A>;

/** Room for an option whose values differ in size; bytes. */
const ROOM = 4096;

const get = <A>(codec: Codec<A>) => ({ room: codec.size ?? ROOM, decode: codec.decode });

/**
 * An option with the codec of its value, to be got and set: for one that is not in this table.
 *
 * @param name the name in C
 */
export const socketOption = <A>(
  name: string,
  level: number,
  number: number,
  codec: Codec<A>,
  notes: OptionNotes = {},
): SocketOption<A> => ({ ...notes, name, level, number, get: get(codec), set: codec });

const readable = <A>(
  name: string,
  level: number,
  number: number,
  codec: Codec<A>,
  notes: OptionNotes = {},
): ReadableOption<A> => ({ ...notes, name, level, number, get: get(codec) });

const writable = <A>(
  name: string,
  level: number,
  number: number,
  codec: Codec<A>,
  notes: OptionNotes = {},
): WritableOption<A> => ({ ...notes, name, level, number, set: codec });

/** A string that the kernel gives with or without its NUL. */
const interfaceName = fixedCString(IFNAMSIZ);
const [congestion, ulp] = [fixedCString(16), fixedCString(16)];

// sys/socket.h: socket(7), unix(7)

/** Whether the protocol records what it does. Needs CAP_NET_ADMIN to set. */
export const SO_DEBUG = socketOption("SO_DEBUG", SOL.SOCKET, SO.DEBUG, IntBoolean, {
  needs: "CAP_NET_ADMIN",
});

/** Whether bind(2) may take an address of a connection that lingers in TIME_WAIT. */
export const SO_REUSEADDR = socketOption("SO_REUSEADDR", SOL.SOCKET, SO.REUSEADDR, IntBoolean);

/** The type of the socket, of `SOCK`. */
export const SO_TYPE = readable("SO_TYPE", SOL.SOCKET, SO.TYPE, Int32);

/** The pending error, a number of `Errno`, which reading clears; 0 for none. */
export const SO_ERROR = readable("SO_ERROR", SOL.SOCKET, SO.ERROR, Int32);

/** Whether packets go only to hosts that are connected directly. */
export const SO_DONTROUTE = socketOption("SO_DONTROUTE", SOL.SOCKET, SO.DONTROUTE, IntBoolean);

/** Whether datagrams may go to a broadcast address; EACCES otherwise. */
export const SO_BROADCAST = socketOption("SO_BROADCAST", SOL.SOCKET, SO.BROADCAST, IntBoolean);

/** Room for bytes to send; bytes. The kernel doubles what is set, and gives the doubled number. */
export const SO_SNDBUF = socketOption("SO_SNDBUF", SOL.SOCKET, SO.SNDBUF, Int32);

/** Room for received bytes; bytes. The kernel doubles what is set, and gives the doubled number. */
export const SO_RCVBUF = socketOption("SO_RCVBUF", SOL.SOCKET, SO.RCVBUF, Int32);

/** As SO_SNDBUF, beyond the limit wmem_max. Needs CAP_NET_ADMIN. */
export const SO_SNDBUFFORCE = writable("SO_SNDBUFFORCE", SOL.SOCKET, SO.SNDBUFFORCE, Int32, {
  needs: "CAP_NET_ADMIN",
});

/** As SO_RCVBUF, beyond the limit rmem_max. Needs CAP_NET_ADMIN. */
export const SO_RCVBUFFORCE = writable("SO_RCVBUFFORCE", SOL.SOCKET, SO.RCVBUFFORCE, Int32, {
  needs: "CAP_NET_ADMIN",
});

/** Whether a connection without traffic is probed. */
export const SO_KEEPALIVE = socketOption("SO_KEEPALIVE", SOL.SOCKET, SO.KEEPALIVE, IntBoolean);

/** Whether out-of-band data is in the stream. */
export const SO_OOBINLINE = socketOption("SO_OOBINLINE", SOL.SOCKET, SO.OOBINLINE, IntBoolean);

/** Whether UDP datagrams are sent without a checksum. */
export const SO_NO_CHECK = socketOption("SO_NO_CHECK", SOL.SOCKET, SO.NO_CHECK, IntBoolean);

/** The priority of packets, from 0 to 6; others need CAP_NET_ADMIN. */
export const SO_PRIORITY = socketOption("SO_PRIORITY", SOL.SOCKET, SO.PRIORITY, Int32, {
  needs: "CAP_NET_ADMIN",
});

/** Whether close(2) waits until the queued bytes are sent. */
export const SO_LINGER = socketOption("SO_LINGER", SOL.SOCKET, SO.LINGER, Linger);

/** Whether sockets of the same user may share an address. */
export const SO_REUSEPORT = socketOption("SO_REUSEPORT", SOL.SOCKET, SO.REUSEPORT, IntBoolean);

/** Whether messages come with the credentials of their sender: SCM_CREDENTIALS. */
export const SO_PASSCRED = socketOption("SO_PASSCRED", SOL.SOCKET, SO.PASSCRED, IntBoolean);

/** Whether messages come with the security context of their sender: SCM_SECURITY. */
export const SO_PASSSEC = socketOption("SO_PASSSEC", SOL.SOCKET, SO.PASSSEC, IntBoolean);

/** Whether messages come with a pidfd of their sender: SCM_PIDFD. Since Linux 6.5. */
export const SO_PASSPIDFD = socketOption("SO_PASSPIDFD", SOL.SOCKET, SO.PASSPIDFD, IntBoolean, {
  since: "6.5.",
});

/** Whether descriptors may be passed to the socket; sendmsg(2) is EPERM otherwise. Since Linux 6.16. */
export const SO_PASSRIGHTS = socketOption("SO_PASSRIGHTS", SOL.SOCKET, SO.PASSRIGHTS, IntBoolean, {
  since: "6.16.",
});

/** The process that has connected or listened at the other end of a Unix socket, at that time. */
export const SO_PEERCRED = readable("SO_PEERCRED", SOL.SOCKET, SO.PEERCRED, Ucred);

/** The supplementary groups of the peer of a Unix socket. Since Linux 4.13. */
export const SO_PEERGROUPS = readable("SO_PEERGROUPS", SOL.SOCKET, SO.PEERGROUPS, listOf(Uint32), {
  since: "4.13.",
});

/** The security context of the peer; ENOPROTOOPT without a security module. */
export const SO_PEERSEC = readable("SO_PEERSEC", SOL.SOCKET, SO.PEERSEC, CString);

/** How many bytes must be there before the socket is readable. */
export const SO_RCVLOWAT = socketOption("SO_RCVLOWAT", SOL.SOCKET, SO.RCVLOWAT, Int32);

/** Always 1. */
export const SO_SNDLOWAT = readable("SO_SNDLOWAT", SOL.SOCKET, SO.SNDLOWAT, Int32);

/** How long a receive waits before it is EAGAIN; zeros for no limit. */
export const SO_RCVTIMEO = socketOption("SO_RCVTIMEO", SOL.SOCKET, SO.RCVTIMEO, Timeval);

/** How long a send waits before it is EAGAIN; zeros for no limit. */
export const SO_SNDTIMEO = socketOption("SO_SNDTIMEO", SOL.SOCKET, SO.SNDTIMEO, Timeval);

/** The name of the interface to which the socket is bound; empty for none. Needs CAP_NET_RAW to change. */
export const SO_BINDTODEVICE = socketOption(
  "SO_BINDTODEVICE",
  SOL.SOCKET,
  SO.BINDTODEVICE,
  interfaceName,
  { needs: "CAP_NET_RAW" },
);

/** The number of the interface to which the socket is bound; 0 for none. Since Linux 5.0. */
export const SO_BINDTOIFINDEX = socketOption(
  "SO_BINDTOIFINDEX",
  SOL.SOCKET,
  SO.BINDTOIFINDEX,
  Int32,
  { since: "5.0." },
);

/** Whether packets come with a time: SCM_TIMESTAMP. */
export const SO_TIMESTAMP = socketOption("SO_TIMESTAMP", SOL.SOCKET, SO.TIMESTAMP, IntBoolean);

/** Whether packets come with a time: SCM_TIMESTAMPNS. */
export const SO_TIMESTAMPNS = socketOption(
  "SO_TIMESTAMPNS",
  SOL.SOCKET,
  SO.TIMESTAMPNS,
  IntBoolean,
);

/** Which times are recorded: flags of linux/net_tstamp.h. */
export const SO_TIMESTAMPING = socketOption("SO_TIMESTAMPING", SOL.SOCKET, SO.TIMESTAMPING, Int32);

/** Whether the socket listens. */
export const SO_ACCEPTCONN = readable("SO_ACCEPTCONN", SOL.SOCKET, SO.ACCEPTCONN, IntBoolean);

/** The mark of packets, for routing and filters. Needs CAP_NET_ADMIN or CAP_NET_RAW to set. */
export const SO_MARK = socketOption("SO_MARK", SOL.SOCKET, SO.MARK, Uint32, {
  needs: "CAP_NET_ADMIN or CAP_NET_RAW",
});

/** Whether packets come with their mark. Since Linux 5.19. */
export const SO_RCVMARK = socketOption("SO_RCVMARK", SOL.SOCKET, SO.RCVMARK, IntBoolean, {
  since: "5.19.",
});

/** The protocol, of `IPPROTO` or another of the family. */
export const SO_PROTOCOL = readable("SO_PROTOCOL", SOL.SOCKET, SO.PROTOCOL, Int32);

/** The family, of `AF`. */
export const SO_DOMAIN = readable("SO_DOMAIN", SOL.SOCKET, SO.DOMAIN, Int32);

/** Whether datagrams come with the number of dropped ones. */
export const SO_RXQ_OVFL = socketOption("SO_RXQ_OVFL", SOL.SOCKET, SO.RXQ_OVFL, IntBoolean);

/** Where the next receive with MSG_PEEK begins; -1 for the front. Unix sockets, UDP and TCP. */
export const SO_PEEK_OFF = socketOption("SO_PEEK_OFF", SOL.SOCKET, SO.PEEK_OFF, Int32);

/** Whether the filter can no longer be changed. */
export const SO_LOCK_FILTER = socketOption(
  "SO_LOCK_FILTER",
  SOL.SOCKET,
  SO.LOCK_FILTER,
  IntBoolean,
);

/** How long a receive polls the device; microseconds. More than before needs CAP_NET_ADMIN. */
export const SO_BUSY_POLL = socketOption("SO_BUSY_POLL", SOL.SOCKET, SO.BUSY_POLL, Int32, {
  needs: "CAP_NET_ADMIN",
});

/** Whether the device is polled rather than interrupts awaited. Since Linux 5.11. */
export const SO_PREFER_BUSY_POLL = socketOption(
  "SO_PREFER_BUSY_POLL",
  SOL.SOCKET,
  SO.PREFER_BUSY_POLL,
  IntBoolean,
  { since: "5.11." },
);

/** The limit of the rate at which bytes are sent; bytes a second, 2^64 - 1 for none. */
export const SO_MAX_PACING_RATE = socketOption(
  "SO_MAX_PACING_RATE",
  SOL.SOCKET,
  SO.MAX_PACING_RATE,
  Uint64,
);

/** The CPU that handles the packets of the socket. */
export const SO_INCOMING_CPU = socketOption("SO_INCOMING_CPU", SOL.SOCKET, SO.INCOMING_CPU, Int32);

/** The number of the queue of the device from which the last packet came. */
export const SO_INCOMING_NAPI_ID = readable(
  "SO_INCOMING_NAPI_ID",
  SOL.SOCKET,
  SO.INCOMING_NAPI_ID,
  Int32,
);

/** The memory of the socket, as SK_MEMINFO of linux/sock_diag.h lists it. */
export const SO_MEMINFO = readable("SO_MEMINFO", SOL.SOCKET, SO.MEMINFO, listOf(Uint32));

/** A number that no other socket of the system has had. */
export const SO_COOKIE = readable("SO_COOKIE", SOL.SOCKET, SO.COOKIE, Uint64);

/** The number of the network namespace of the socket. Since Linux 5.14. */
export const SO_NETNS_COOKIE = readable("SO_NETNS_COOKIE", SOL.SOCKET, SO.NETNS_COOKIE, Uint64, {
  since: "5.14.",
});

/** Whether sends may have MSG_ZEROCOPY. */
export const SO_ZEROCOPY = socketOption("SO_ZEROCOPY", SOL.SOCKET, SO.ZEROCOPY, IntBoolean);

/** Whether the kernel leaves the buffers as they were set: 1 send, 2 receive. Since Linux 5.15. */
export const SO_BUF_LOCK = socketOption("SO_BUF_LOCK", SOL.SOCKET, SO.BUF_LOCK, Int32, {
  since: "5.15.",
});

/** Memory that is reserved for the socket; bytes. Since Linux 5.16. */
export const SO_RESERVE_MEM = socketOption("SO_RESERVE_MEM", SOL.SOCKET, SO.RESERVE_MEM, Int32, {
  since: "5.16.",
});

/** Whether a connection may take another path after a timeout: 0, 1, 255 for the default. Since Linux 5.18. */
export const SO_TXREHASH = socketOption("SO_TXREHASH", SOL.SOCKET, SO.TXREHASH, Int32, {
  since: "5.18.",
});

/** Removes the filter; the value is ignored. */
export const SO_DETACH_FILTER = writable("SO_DETACH_FILTER", SOL.SOCKET, SO.DETACH_FILTER, Int32);

/** Attaches an eBPF program, by its descriptor. */
export const SO_ATTACH_BPF = writable("SO_ATTACH_BPF", SOL.SOCKET, SO.ATTACH_BPF, Int32);

// netinet/tcp.h: tcp(7)

/** Whether small segments are sent at once. */
export const TCP_NODELAY = socketOption("TCP_NODELAY", SOL.TCP, TCP.NODELAY, IntBoolean);

/** The largest segment; bytes. */
export const TCP_MAXSEG = socketOption("TCP_MAXSEG", SOL.TCP, TCP.MAXSEG, Int32);

/** Whether partial segments are held back, for at most 200 ms. */
export const TCP_CORK = socketOption("TCP_CORK", SOL.TCP, TCP.CORK, IntBoolean);

/** How long a connection is silent before it is probed; seconds. */
export const TCP_KEEPIDLE = socketOption("TCP_KEEPIDLE", SOL.TCP, TCP.KEEPIDLE, Int32);

/** The time between two probes; seconds. */
export const TCP_KEEPINTVL = socketOption("TCP_KEEPINTVL", SOL.TCP, TCP.KEEPINTVL, Int32);

/** After how many probes without answer a connection ends. */
export const TCP_KEEPCNT = socketOption("TCP_KEEPCNT", SOL.TCP, TCP.KEEPCNT, Int32);

/** How often a SYN is sent again. */
export const TCP_SYNCNT = socketOption("TCP_SYNCNT", SOL.TCP, TCP.SYNCNT, Int32);

/** How long a connection stays in FIN_WAIT2; seconds. */
export const TCP_LINGER2 = socketOption("TCP_LINGER2", SOL.TCP, TCP.LINGER2, Int32);

/** How long a listener waits for data before it shows a connection; seconds. */
export const TCP_DEFER_ACCEPT = socketOption("TCP_DEFER_ACCEPT", SOL.TCP, TCP.DEFER_ACCEPT, Int32);

/** The limit of the receive window; bytes. */
export const TCP_WINDOW_CLAMP = socketOption("TCP_WINDOW_CLAMP", SOL.TCP, TCP.WINDOW_CLAMP, Int32);

/** What the kernel knows of the connection. */
export const TCP_INFO = readable("TCP_INFO", SOL.TCP, TCP.INFO, TcpInfo);

/** Whether acknowledgements are sent at once. */
export const TCP_QUICKACK = socketOption("TCP_QUICKACK", SOL.TCP, TCP.QUICKACK, IntBoolean);

/** The name of the congestion control: "cubic". */
export const TCP_CONGESTION = socketOption("TCP_CONGESTION", SOL.TCP, TCP.CONGESTION, congestion);

/** Whether a thin stream retransmits without backoff. */
export const TCP_THIN_LINEAR_TIMEOUTS = socketOption(
  "TCP_THIN_LINEAR_TIMEOUTS",
  SOL.TCP,
  TCP.THIN_LINEAR_TIMEOUTS,
  IntBoolean,
);

/** How long data may stay without acknowledgement; milliseconds, 0 for the default. */
export const TCP_USER_TIMEOUT = socketOption("TCP_USER_TIMEOUT", SOL.TCP, TCP.USER_TIMEOUT, Uint32);

/** Repair mode, of the checkpointing of connections. Needs CAP_NET_ADMIN. */
export const TCP_REPAIR = socketOption("TCP_REPAIR", SOL.TCP, TCP.REPAIR, Int32, {
  needs: "CAP_NET_ADMIN",
});

/** How many connections may wait that came by fast open. */
export const TCP_FASTOPEN = socketOption("TCP_FASTOPEN", SOL.TCP, TCP.FASTOPEN, Int32);

/** Whether connect(2) waits for the first bytes to send them with the SYN. */
export const TCP_FASTOPEN_CONNECT = socketOption(
  "TCP_FASTOPEN_CONNECT",
  SOL.TCP,
  TCP.FASTOPEN_CONNECT,
  IntBoolean,
);

/** Whether fast open works without a cookie. */
export const TCP_FASTOPEN_NO_COOKIE = socketOption(
  "TCP_FASTOPEN_NO_COOKIE",
  SOL.TCP,
  TCP.FASTOPEN_NO_COOKIE,
  IntBoolean,
);

/** The clock of the timestamps of the connection. */
export const TCP_TIMESTAMP = socketOption("TCP_TIMESTAMP", SOL.TCP, TCP.TIMESTAMP, Uint32);

/** How few bytes must be unsent before the socket is writable; bytes. */
export const TCP_NOTSENT_LOWAT = socketOption(
  "TCP_NOTSENT_LOWAT",
  SOL.TCP,
  TCP.NOTSENT_LOWAT,
  Uint32,
);

/** Whether a listener keeps the SYN of connections. */
export const TCP_SAVE_SYN = socketOption("TCP_SAVE_SYN", SOL.TCP, TCP.SAVE_SYN, Int32);

/** The headers of the SYN, which reading removes; empty if there is none. */
export const TCP_SAVED_SYN = readable("TCP_SAVED_SYN", SOL.TCP, TCP.SAVED_SYN, Bytes);

/** The name of the protocol over TCP: "tls". */
export const TCP_ULP = socketOption("TCP_ULP", SOL.TCP, TCP.ULP, ulp);

/** Whether receives say how many bytes are behind them: TCP_CM_INQ. */
export const TCP_INQ = socketOption("TCP_INQ", SOL.TCP, TCP.INQ, IntBoolean);

/** By how much segments are delayed; microseconds. Since Linux 5.3. */
export const TCP_TX_DELAY = socketOption("TCP_TX_DELAY", SOL.TCP, TCP.TX_DELAY, Int32, {
  since: "5.3.",
});

// netinet/in.h: ip(7)

/** The type of service of packets. */
export const IP_TOS = socketOption("IP_TOS", SOL.IP, IP.TOS, Int32);

/** The time to live of packets, from 1 to 255; -1 for the default. */
export const IP_TTL = socketOption("IP_TTL", SOL.IP, IP.TTL, Int32);

/** Whether the sender of a raw socket makes the header. */
export const IP_HDRINCL = socketOption("IP_HDRINCL", SOL.IP, IP.HDRINCL, IntBoolean);

/** Whether datagrams come with the interface and the destination: the control message IP_PKTINFO. */
export const IP_PKTINFO = socketOption("IP_PKTINFO", SOL.IP, IP.PKTINFO, IntBoolean);

/** Whether the path MTU is discovered: `IP.PMTUDISC_DO` and so on. */
export const IP_MTU_DISCOVER = socketOption("IP_MTU_DISCOVER", SOL.IP, IP.MTU_DISCOVER, Int32);

/** Whether errors of datagrams are queued: MSG_ERRQUEUE. */
export const IP_RECVERR = socketOption("IP_RECVERR", SOL.IP, IP.RECVERR, IntBoolean);

/** Whether datagrams come with their time to live: the control message IP_TTL. */
export const IP_RECVTTL = socketOption("IP_RECVTTL", SOL.IP, IP.RECVTTL, IntBoolean);

/** Whether datagrams come with their type of service: the control message IP_TOS. */
export const IP_RECVTOS = socketOption("IP_RECVTOS", SOL.IP, IP.RECVTOS, IntBoolean);

/** Whether datagrams come with their first destination: the control message IP_ORIGDSTADDR. */
export const IP_RECVORIGDSTADDR = socketOption(
  "IP_RECVORIGDSTADDR",
  SOL.IP,
  IP.RECVORIGDSTADDR,
  IntBoolean,
);

/** The MTU of the path of a connected socket; bytes. */
export const IP_MTU = readable("IP_MTU", SOL.IP, IP.MTU, Int32);

/** Whether bind(2) takes an address that no interface has. */
export const IP_FREEBIND = socketOption("IP_FREEBIND", SOL.IP, IP.FREEBIND, IntBoolean);

/** Whether the socket takes packets for others. Needs CAP_NET_ADMIN or CAP_NET_RAW. */
export const IP_TRANSPARENT = socketOption("IP_TRANSPARENT", SOL.IP, IP.TRANSPARENT, IntBoolean, {
  needs: "CAP_NET_ADMIN or CAP_NET_RAW",
});

/** The smallest time to live of packets that are taken. */
export const IP_MINTTL = socketOption("IP_MINTTL", SOL.IP, IP.MINTTL, Int32);

/** Whether bind(2) with port 0 leaves the port to connect(2). */
export const IP_BIND_ADDRESS_NO_PORT = socketOption(
  "IP_BIND_ADDRESS_NO_PORT",
  SOL.IP,
  IP.BIND_ADDRESS_NO_PORT,
  IntBoolean,
);

/** The time to live of multicast packets. */
export const IP_MULTICAST_TTL = socketOption("IP_MULTICAST_TTL", SOL.IP, IP.MULTICAST_TTL, Int32);

/** Whether multicast packets come back to this host. */
export const IP_MULTICAST_LOOP = socketOption(
  "IP_MULTICAST_LOOP",
  SOL.IP,
  IP.MULTICAST_LOOP,
  IntBoolean,
);

/** Whether the socket gets packets of groups that other sockets have joined. */
export const IP_MULTICAST_ALL = socketOption(
  "IP_MULTICAST_ALL",
  SOL.IP,
  IP.MULTICAST_ALL,
  IntBoolean,
);

/** The interface of multicast packets. The kernel gives its address alone. */
export const IP_MULTICAST_IF: ReadableOption<string> & WritableOption<IpMreqn> = {
  ...readable("IP_MULTICAST_IF", SOL.IP, IP.MULTICAST_IF, InAddr),
  set: IpMreqn,
};

/** Joins a multicast group. */
export const IP_ADD_MEMBERSHIP = writable("IP_ADD_MEMBERSHIP", SOL.IP, IP.ADD_MEMBERSHIP, IpMreqn);

/** Leaves a multicast group. */
export const IP_DROP_MEMBERSHIP = writable(
  "IP_DROP_MEMBERSHIP",
  SOL.IP,
  IP.DROP_MEMBERSHIP,
  IpMreqn,
);

/** The lowest free port that bind(2) chooses, and the highest one shifted by 16. Since Linux 6.3. */
export const IP_LOCAL_PORT_RANGE = socketOption(
  "IP_LOCAL_PORT_RANGE",
  SOL.IP,
  IP.LOCAL_PORT_RANGE,
  Uint32,
  { since: "6.3." },
);

// netinet/in.h: ipv6(7)

/** Whether the socket takes no IPv4. To be set before bind(2). */
export const IPV6_V6ONLY = socketOption("IPV6_V6ONLY", SOL.IPV6, IPV6.V6ONLY, IntBoolean);

/** The hop limit of packets; -1 for the default. */
export const IPV6_UNICAST_HOPS = socketOption(
  "IPV6_UNICAST_HOPS",
  SOL.IPV6,
  IPV6.UNICAST_HOPS,
  Int32,
);

/** The hop limit of multicast packets; -1 for the default. */
export const IPV6_MULTICAST_HOPS = socketOption(
  "IPV6_MULTICAST_HOPS",
  SOL.IPV6,
  IPV6.MULTICAST_HOPS,
  Int32,
);

/** Whether multicast packets come back to this host. */
export const IPV6_MULTICAST_LOOP = socketOption(
  "IPV6_MULTICAST_LOOP",
  SOL.IPV6,
  IPV6.MULTICAST_LOOP,
  IntBoolean,
);

/** The number of the interface of multicast packets. */
export const IPV6_MULTICAST_IF = socketOption(
  "IPV6_MULTICAST_IF",
  SOL.IPV6,
  IPV6.MULTICAST_IF,
  Int32,
);

/** Joins a multicast group. */
export const IPV6_JOIN_GROUP = writable("IPV6_JOIN_GROUP", SOL.IPV6, IPV6.JOIN_GROUP, Ipv6Mreq);

/** Leaves a multicast group. */
export const IPV6_LEAVE_GROUP = writable("IPV6_LEAVE_GROUP", SOL.IPV6, IPV6.LEAVE_GROUP, Ipv6Mreq);

/** Whether the path MTU is discovered: `IPV6.PMTUDISC_DO` and so on. */
export const IPV6_MTU_DISCOVER = socketOption(
  "IPV6_MTU_DISCOVER",
  SOL.IPV6,
  IPV6.MTU_DISCOVER,
  Int32,
);

/** The MTU of the path of a connected socket; bytes. */
export const IPV6_MTU = socketOption("IPV6_MTU", SOL.IPV6, IPV6.MTU, Int32);

/** Whether errors of datagrams are queued: MSG_ERRQUEUE. */
export const IPV6_RECVERR = socketOption("IPV6_RECVERR", SOL.IPV6, IPV6.RECVERR, IntBoolean);

/** Whether datagrams come with the interface and the destination: the control message IPV6_PKTINFO. */
export const IPV6_RECVPKTINFO = socketOption(
  "IPV6_RECVPKTINFO",
  SOL.IPV6,
  IPV6.RECVPKTINFO,
  IntBoolean,
);

/** Whether datagrams come with their hop limit: the control message IPV6_HOPLIMIT. */
export const IPV6_RECVHOPLIMIT = socketOption(
  "IPV6_RECVHOPLIMIT",
  SOL.IPV6,
  IPV6.RECVHOPLIMIT,
  IntBoolean,
);

/** Whether datagrams come with their traffic class: the control message IPV6_TCLASS. */
export const IPV6_RECVTCLASS = socketOption(
  "IPV6_RECVTCLASS",
  SOL.IPV6,
  IPV6.RECVTCLASS,
  IntBoolean,
);

/** The traffic class of packets; -1 for the default. */
export const IPV6_TCLASS = socketOption("IPV6_TCLASS", SOL.IPV6, IPV6.TCLASS, Int32);

/** Whether datagrams that are too large are refused instead of fragmented. */
export const IPV6_DONTFRAG = socketOption("IPV6_DONTFRAG", SOL.IPV6, IPV6.DONTFRAG, IntBoolean);

/** Whether packets get a flow label. */
export const IPV6_AUTOFLOWLABEL = socketOption(
  "IPV6_AUTOFLOWLABEL",
  SOL.IPV6,
  IPV6.AUTOFLOWLABEL,
  IntBoolean,
);

/** The smallest hop limit of packets that are taken. */
export const IPV6_MINHOPCOUNT = socketOption("IPV6_MINHOPCOUNT", SOL.IPV6, IPV6.MINHOPCOUNT, Int32);

/** Whether the socket takes packets for others. Needs CAP_NET_ADMIN or CAP_NET_RAW. */
export const IPV6_TRANSPARENT = socketOption(
  "IPV6_TRANSPARENT",
  SOL.IPV6,
  IPV6.TRANSPARENT,
  IntBoolean,
  { needs: "CAP_NET_ADMIN or CAP_NET_RAW" },
);

/** Whether bind(2) takes an address that no interface has. */
export const IPV6_FREEBIND = socketOption("IPV6_FREEBIND", SOL.IPV6, IPV6.FREEBIND, IntBoolean);

// netinet/udp.h: udp(7)

/** Whether the bytes of several sends make one datagram. */
export const UDP_CORK = socketOption("UDP_CORK", SOL.UDP, UDP.CORK, IntBoolean);

/** The size of the datagrams into which a send is split; 0 for no splitting. Since Linux 4.18. */
export const UDP_SEGMENT = socketOption("UDP_SEGMENT", SOL.UDP, UDP.SEGMENT, Int32, {
  since: "4.18.",
});

/** Whether several datagrams are received as one: the control message UDP_GRO. Since Linux 5.0. */
export const UDP_GRO = socketOption("UDP_GRO", SOL.UDP, UDP.GRO, IntBoolean, { since: "5.0." });

// linux/if_packet.h: packet(7)

/** Packets that were received and dropped, which reading sets to zero. */
export const PACKET_STATISTICS = readable(
  "PACKET_STATISTICS",
  SOL.PACKET,
  PACKET.STATISTICS,
  TpacketStats,
);

/** Whether packets come with more of their metadata. */
export const PACKET_AUXDATA = socketOption(
  "PACKET_AUXDATA",
  SOL.PACKET,
  PACKET.AUXDATA,
  IntBoolean,
);

/** Whether the address has the interface of the hardware, not that of a bond or bridge over it. */
export const PACKET_ORIGDEV = socketOption(
  "PACKET_ORIGDEV",
  SOL.PACKET,
  PACKET.ORIGDEV,
  IntBoolean,
);

/** The version of the ring: 0 to 2. */
export const PACKET_VERSION = socketOption("PACKET_VERSION", SOL.PACKET, PACKET.VERSION, Int32);

/** Whether packets of the ring that cannot be sent are dropped. */
export const PACKET_LOSS = socketOption("PACKET_LOSS", SOL.PACKET, PACKET.LOSS, IntBoolean);

/** Whether packets begin with a header of virtio. */
export const PACKET_VNET_HDR = socketOption(
  "PACKET_VNET_HDR",
  SOL.PACKET,
  PACKET.VNET_HDR,
  IntBoolean,
);

/** Joins a group of sockets that share packets: its number, and the mode shifted by 16. */
export const PACKET_FANOUT = socketOption("PACKET_FANOUT", SOL.PACKET, PACKET.FANOUT, Int32);

/** Whether packets go to the device directly. */
export const PACKET_QDISC_BYPASS = socketOption(
  "PACKET_QDISC_BYPASS",
  SOL.PACKET,
  PACKET.QDISC_BYPASS,
  IntBoolean,
);

/** Whether packets that are sent are not received. Since Linux 4.20. */
export const PACKET_IGNORE_OUTGOING = socketOption(
  "PACKET_IGNORE_OUTGOING",
  SOL.PACKET,
  PACKET.IGNORE_OUTGOING,
  IntBoolean,
  { since: "4.20." },
);

// linux/netlink.h: netlink(7)

/** Joins a group by its number. */
export const NETLINK_ADD_MEMBERSHIP = writable(
  "NETLINK_ADD_MEMBERSHIP",
  SOL.NETLINK,
  NETLINK.ADD_MEMBERSHIP,
  Int32,
);

/** Leaves a group. */
export const NETLINK_DROP_MEMBERSHIP = writable(
  "NETLINK_DROP_MEMBERSHIP",
  SOL.NETLINK,
  NETLINK.DROP_MEMBERSHIP,
  Int32,
);

/** Whether messages come with their group. */
export const NETLINK_PKTINFO = socketOption(
  "NETLINK_PKTINFO",
  SOL.NETLINK,
  NETLINK.PKTINFO,
  IntBoolean,
);

/** Whether the sender is told that a message was dropped here. */
export const NETLINK_BROADCAST_ERROR = socketOption(
  "NETLINK_BROADCAST_ERROR",
  SOL.NETLINK,
  NETLINK.BROADCAST_ERROR,
  IntBoolean,
);

/** Whether dropped messages are not reported as ENOBUFS. */
export const NETLINK_NO_ENOBUFS = socketOption(
  "NETLINK_NO_ENOBUFS",
  SOL.NETLINK,
  NETLINK.NO_ENOBUFS,
  IntBoolean,
);

/** The groups, as bits. */
export const NETLINK_LIST_MEMBERSHIPS = readable(
  "NETLINK_LIST_MEMBERSHIPS",
  SOL.NETLINK,
  NETLINK.LIST_MEMBERSHIPS,
  listOf(Uint32),
);

/** Whether an acknowledgement is without the request. */
export const NETLINK_CAP_ACK = socketOption(
  "NETLINK_CAP_ACK",
  SOL.NETLINK,
  NETLINK.CAP_ACK,
  IntBoolean,
);

/** Whether an acknowledgement says why a request failed. */
export const NETLINK_EXT_ACK = socketOption(
  "NETLINK_EXT_ACK",
  SOL.NETLINK,
  NETLINK.EXT_ACK,
  IntBoolean,
);

/** Whether the kernel refuses what it does not know in requests. */
export const NETLINK_GET_STRICT_CHK = socketOption(
  "NETLINK_GET_STRICT_CHK",
  SOL.NETLINK,
  NETLINK.GET_STRICT_CHK,
  IntBoolean,
);
