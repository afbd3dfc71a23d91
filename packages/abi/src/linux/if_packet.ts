import { type FixedCodec, struct, Uint32 } from "../Codec.ts";
import { AF } from "../sys/socket.ts";

/** `struct sockaddr_ll`: an address of the link layer. See packet(7). */
export interface SockaddrLl {
  /** The protocol of the link layer: one of {@link ETH_P}. Default: 0. */
  readonly protocol?: number;
  /** The number of the interface; 0 for any, in bind(2). */
  readonly ifindex: number;
  /** The kind of hardware, as ARPHRD_ETHER (1). The kernel sets it. Default: 0. */
  readonly hatype?: number;
  /** What became of the packet, of `PACKET`: HOST, BROADCAST, MULTICAST, OTHERHOST, OUTGOING. Default: 0. */
  readonly pkttype?: number;
  /** The hardware address, of at most 8 bytes. Default: none. */
  readonly address?: Uint8Array;
}

const HEADER = 12;
const ADDRESS_MAX = 8;

/** See {@link SockaddrLl}; 20 bytes. */
export const SockaddrLl: FixedCodec<SockaddrLl> = {
  name: "struct sockaddr_ll",
  size: HEADER + ADDRESS_MAX,
  alignment: 4,
  sizeOf: () => HEADER + ADDRESS_MAX,
  encode: ({ protocol = 0, ifindex, hatype = 0, pkttype = 0, address }, into) => {
    const { length } = address ?? [];
    if (length > ADDRESS_MAX)
      throw new RangeError(`${length} bytes are too many for a hardware address`);
    for (const [value, most] of [
      [protocol, 0xffff],
      [ifindex, 2 ** 31 - 1],
      [hatype, 0xffff],
      [pkttype, 0xff],
    ] as const)
      if (!Number.isInteger(value) || value < 0 || value > most)
        throw new RangeError(`${value} is no field of struct sockaddr_ll`);
    into.fill(0, 0, HEADER + ADDRESS_MAX);
    const view = new DataView(into.buffer, into.byteOffset, HEADER);
    view.setUint16(0, AF.PACKET, true);
    view.setUint16(2, protocol);
    view.setInt32(4, ifindex, true);
    view.setUint16(8, hatype, true);
    view.setUint8(10, pkttype);
    view.setUint8(11, length);
    if (address !== undefined) into.set(address, HEADER);
  },
  decode: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = Math.min(view.getUint8(11), ADDRESS_MAX);
    return {
      protocol: view.getUint16(2),
      ifindex: view.getInt32(4, true),
      hatype: view.getUint16(8, true),
      pkttype: view.getUint8(10),
      address: new Uint8Array(bytes.subarray(HEADER, HEADER + length)),
    };
  },
};

/** Options at level `SOL.PACKET`, and types of packets (HOST and so on). See packet(7). */
export const PACKET = {
  HOST: 0,
  BROADCAST: 1,
  MULTICAST: 2,
  OTHERHOST: 3,
  OUTGOING: 4,
  ADD_MEMBERSHIP: 1,
  DROP_MEMBERSHIP: 2,
  RECV_OUTPUT: 3,
  RX_RING: 5,
  STATISTICS: 6,
  COPY_THRESH: 7,
  AUXDATA: 8,
  ORIGDEV: 9,
  VERSION: 10,
  HDRLEN: 11,
  RESERVE: 12,
  TX_RING: 13,
  LOSS: 14,
  VNET_HDR: 15,
  TX_TIMESTAMP: 16,
  TIMESTAMP: 17,
  FANOUT: 18,
  TX_HAS_OFF: 19,
  QDISC_BYPASS: 20,
  ROLLOVER_STATS: 21,
  FANOUT_DATA: 22,
  IGNORE_OUTGOING: 23,
  MR_MULTICAST: 0,
  MR_PROMISC: 1,
  MR_ALLMULTI: 2,
  MR_UNICAST: 3,
} as const;

/** Protocols of the link layer: the third argument of socket(2) for AF_PACKET, in the byte order of the network: `htons(ETH_P.ALL)`. See packet(7). */
export const ETH_P = { ALL: 0x3, IP: 0x800, ARP: 0x806, "8021Q": 0x8100, IPV6: 0x86dd } as const;

/** `struct tpacket_stats` of PACKET_STATISTICS. Reading it sets it to zero. See packet(7). */
export interface TpacketStats {
  /** Packets that were received. */
  readonly packets: number;
  /** Packets that were dropped because there was no room. */
  readonly drops: number;
}

/** See {@link TpacketStats}; 8 bytes. */
export const TpacketStats: FixedCodec<TpacketStats> = struct("struct tpacket_stats", {
  packets: Uint32,
  drops: Uint32,
});
