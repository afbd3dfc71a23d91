import { type FixedCodec, struct, Uint8, Uint32, Uint64 } from "../Codec.ts";

/** Options at level `SOL.TCP`. See tcp(7). */
export const TCP = {
  NODELAY: 1,
  MAXSEG: 2,
  CORK: 3,
  KEEPIDLE: 4,
  KEEPINTVL: 5,
  KEEPCNT: 6,
  SYNCNT: 7,
  LINGER2: 8,
  DEFER_ACCEPT: 9,
  WINDOW_CLAMP: 10,
  INFO: 11,
  QUICKACK: 12,
  CONGESTION: 13,
  MD5SIG: 14,
  COOKIE_TRANSACTIONS: 15,
  THIN_LINEAR_TIMEOUTS: 16,
  THIN_DUPACK: 17,
  USER_TIMEOUT: 18,
  REPAIR: 19,
  REPAIR_QUEUE: 20,
  QUEUE_SEQ: 21,
  REPAIR_OPTIONS: 22,
  FASTOPEN: 23,
  TIMESTAMP: 24,
  NOTSENT_LOWAT: 25,
  CC_INFO: 26,
  SAVE_SYN: 27,
  SAVED_SYN: 28,
  REPAIR_WINDOW: 29,
  FASTOPEN_CONNECT: 30,
  ULP: 31,
  MD5SIG_EXT: 32,
  FASTOPEN_KEY: 33,
  FASTOPEN_NO_COOKIE: 34,
  ZEROCOPY_RECEIVE: 35,
  INQ: 36,
  CM_INQ: 36,
  TX_DELAY: 37,
} as const;

/** States of a connection, as {@link TcpInfo} has them. See tcp(7). */
export const TCP_STATE = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
} as const;

/**
 * `struct tcp_info` of TCP_INFO: what the kernel knows of a connection. Fields that the kernel does not have yet are 0.
 * See tcp(7).
 */
export interface TcpInfo {
  /** One of `TCP_STATE`. */
  readonly state: number;
  /** The state of the congestion control: 0 is open. */
  readonly caState: number;
  /** Retransmissions of the segment that is not acknowledged. */
  readonly retransmits: number;
  /** Probes of a zero window, or of a silent peer, that were not answered. */
  readonly probes: number;
  /** Doublings of the timeout. */
  readonly backoff: number;
  /** Options of the connection: timestamps 1, SACK 2, window scaling 4, ECN 8. */
  readonly options: number;
  /** The scale of the send window in the low 4 bits, that of the receive window in the high 4. */
  readonly windowScales: number;
  /** Bit 0: the delivery rate was limited by the application. Bits 1 and 2: how a fast open failed. */
  readonly appLimited: number;
  /** The retransmission timeout; microseconds. */
  readonly rto: number;
  /** The timeout of delayed acknowledgements; microseconds. */
  readonly ato: number;
  /** The largest segment that is sent; bytes. */
  readonly sndMss: number;
  /** The largest segment that was received; bytes. */
  readonly rcvMss: number;
  /** Segments that are not acknowledged; of a listener, connections that wait for accept(2). */
  readonly unacked: number;
  /** Segments that were acknowledged out of order; of a listener, its backlog. */
  readonly sacked: number;
  /** Segments that are taken for lost. */
  readonly lost: number;
  /** Segments that were sent again and are not acknowledged. */
  readonly retrans: number;
  /** Unused since Linux 4.15. */
  readonly fackets: number;
  /** Since data was sent; milliseconds. */
  readonly lastDataSent: number;
  /** Not recorded by Linux. */
  readonly lastAckSent: number;
  /** Since data was received; milliseconds. */
  readonly lastDataRecv: number;
  /** Since an acknowledgement was received; milliseconds. */
  readonly lastAckRecv: number;
  /** The largest packet of the path; bytes. */
  readonly pmtu: number;
  /** The limit of the receive window; bytes. */
  readonly rcvSsthresh: number;
  /** The smoothed round trip; microseconds. */
  readonly rtt: number;
  /** The variation of the round trip; microseconds. */
  readonly rttvar: number;
  /** The slow start threshold; segments. */
  readonly sndSsthresh: number;
  /** The congestion window; segments. */
  readonly sndCwnd: number;
  /** The largest segment that was advertised; bytes. */
  readonly advmss: number;
  /** How far segments are reordered. */
  readonly reordering: number;
  /** The round trip as the receiver estimates it; microseconds. */
  readonly rcvRtt: number;
  /** The space that the receiver aims at; bytes. */
  readonly rcvSpace: number;
  /** Segments that were sent again, of the whole connection. */
  readonly totalRetrans: number;
  /** Bytes a second. */
  readonly pacingRate: bigint;
  /** Bytes a second; 2^64 - 1 for no limit. */
  readonly maxPacingRate: bigint;
  /** Bytes that the peer has acknowledged. */
  readonly bytesAcked: bigint;
  /** Bytes that were received in order. */
  readonly bytesReceived: bigint;
  /** Segments that were sent. */
  readonly segsOut: number;
  /** Segments that were received. */
  readonly segsIn: number;
  /** Bytes that are queued and not sent. */
  readonly notsentBytes: number;
  /** The shortest round trip; microseconds. */
  readonly minRtt: number;
  /** Segments with data that were received. */
  readonly dataSegsIn: number;
  /** Segments with data that were sent. */
  readonly dataSegsOut: number;
  /** Bytes a second. */
  readonly deliveryRate: bigint;
  /** For how long there was something to send; microseconds. */
  readonly busyTime: bigint;
  /** For how long the window of the peer was the limit; microseconds. */
  readonly rwndLimited: bigint;
  /** For how long the send buffer was the limit; microseconds. */
  readonly sndbufLimited: bigint;
  /** Segments that were delivered. */
  readonly delivered: number;
  /** Segments that were delivered with a congestion mark. */
  readonly deliveredCe: number;
  /** Bytes that were sent, with those sent again. */
  readonly bytesSent: bigint;
  /** Bytes that were sent again. */
  readonly bytesRetrans: bigint;
  /** Duplicates that the peer has reported. */
  readonly dsackDups: number;
  /** Reorderings that were seen. */
  readonly reordSeen: number;
  /** Packets that were received out of order. */
  readonly rcvOoopack: number;
  /** The window of the peer; bytes. */
  readonly sndWnd: number;
}

const tcpInfo = struct("struct tcp_info", {
  state: Uint8,
  caState: Uint8,
  retransmits: Uint8,
  probes: Uint8,
  backoff: Uint8,
  options: Uint8,
  windowScales: Uint8,
  appLimited: Uint8,
  rto: Uint32,
  ato: Uint32,
  sndMss: Uint32,
  rcvMss: Uint32,
  unacked: Uint32,
  sacked: Uint32,
  lost: Uint32,
  retrans: Uint32,
  fackets: Uint32,
  lastDataSent: Uint32,
  lastAckSent: Uint32,
  lastDataRecv: Uint32,
  lastAckRecv: Uint32,
  pmtu: Uint32,
  rcvSsthresh: Uint32,
  rtt: Uint32,
  rttvar: Uint32,
  sndSsthresh: Uint32,
  sndCwnd: Uint32,
  advmss: Uint32,
  reordering: Uint32,
  rcvRtt: Uint32,
  rcvSpace: Uint32,
  totalRetrans: Uint32,
  pacingRate: Uint64,
  maxPacingRate: Uint64,
  bytesAcked: Uint64,
  bytesReceived: Uint64,
  segsOut: Uint32,
  segsIn: Uint32,
  notsentBytes: Uint32,
  minRtt: Uint32,
  dataSegsIn: Uint32,
  dataSegsOut: Uint32,
  deliveryRate: Uint64,
  busyTime: Uint64,
  rwndLimited: Uint64,
  sndbufLimited: Uint64,
  delivered: Uint32,
  deliveredCe: Uint32,
  bytesSent: Uint64,
  bytesRetrans: Uint64,
  dsackDups: Uint32,
  reordSeen: Uint32,
  rcvOoopack: Uint32,
  sndWnd: Uint32,
});

/** See {@link TcpInfo}; 232 bytes. Older kernels give the first ones of them. */
export const TcpInfo: FixedCodec<TcpInfo> = {
  ...tcpInfo,
  decode: (bytes) => {
    const all = new Uint8Array(tcpInfo.size);
    all.set(bytes.subarray(0, all.length));
    return tcpInfo.decode(all);
  },
};
