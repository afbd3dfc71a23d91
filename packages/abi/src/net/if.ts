import {
  type FixedCodec,
  fixedBytes,
  fixedCString,
  Int32,
  struct,
  Uint8,
  Uint16,
  Uint64,
} from "../Codec.ts";
import { decodeSockaddr, encodeSockaddr, type Sockaddr } from "../sys/sockaddr.ts";

/** The room for the name of an interface, its NUL included; bytes. See netdevice(7). */
export const IFNAMSIZ = 16;

/**
 * Flags of an interface; and, from TUN on, those of TUNSETIFF, which are other bits of another call. See netdevice(7),
 * and Documentation/networking/tuntap.rst of the kernel.
 */
export const IFF = {
  UP: 0x1,
  BROADCAST: 0x2,
  DEBUG: 0x4,
  LOOPBACK: 0x8,
  POINTOPOINT: 0x10,
  NOTRAILERS: 0x20,
  RUNNING: 0x40,
  NOARP: 0x80,
  PROMISC: 0x100,
  ALLMULTI: 0x200,
  MASTER: 0x400,
  SLAVE: 0x800,
  MULTICAST: 0x1000,
  PORTSEL: 0x2000,
  AUTOMEDIA: 0x4000,
  DYNAMIC: 0x8000,
  LOWER_UP: 0x10000,
  DORMANT: 0x20000,
  ECHO: 0x40000,
  TUN: 0x1,
  TAP: 0x2,
  NAPI: 0x10,
  NAPI_FRAGS: 0x20,
  NO_CARRIER: 0x40,
  MULTI_QUEUE: 0x100,
  ATTACH_QUEUE: 0x200,
  DETACH_QUEUE: 0x400,
  PERSIST: 0x800,
  NOFILTER: 0x1000,
  NO_PI: 0x1000,
  ONE_QUEUE: 0x2000,
  VNET_HDR: 0x4000,
  TUN_EXCL: 0x8000,
} as const;

/** `struct ifmap` of SIOCGIFMAP: the hardware of an interface. See netdevice(7). */
export interface Ifmap {
  /** An address. */
  readonly memStart: bigint;
  /** An address. */
  readonly memEnd: bigint;
  /** The I/O port. */
  readonly baseAddr: number;
  /** The interrupt. */
  readonly irq: number;
  /** The DMA channel. */
  readonly dma: number;
  /** The kind of plug. */
  readonly port: number;
}

/** See {@link Ifmap}; 24 bytes. */
export const Ifmap: FixedCodec<Ifmap> = struct("struct ifmap", {
  memStart: Uint64,
  memEnd: Uint64,
  baseAddr: Uint16,
  irq: Uint8,
  dma: Uint8,
  port: Uint8,
});

/** Bytes of the union behind the name. */
const UNION = 24;

/** `struct ifreq` of netdevice(7): the name of an interface, and one value. */
export interface Ifreq<A> {
  /** Of 15 bytes at most. */
  readonly name: string;
  /** The member of the union that the request is about. */
  readonly value: A;
}

const ifreq = <A>(member: FixedCodec<A>): FixedCodec<Ifreq<A>> => ({
  name: "struct ifreq",
  size: IFNAMSIZ + UNION,
  alignment: 8,
  sizeOf: () => IFNAMSIZ + UNION,
  encode: ({ name, value }, into) => {
    into.fill(0, 0, IFNAMSIZ + UNION);
    interfaceName.encode(name, into);
    member.encode(value, into.subarray(IFNAMSIZ, IFNAMSIZ + UNION));
  },
  decode: (bytes) => {
    if (bytes.length < IFNAMSIZ + UNION)
      throw new RangeError(`struct ifreq has ${IFNAMSIZ + UNION} bytes, not ${bytes.length}`);
    return {
      name: interfaceName.decode(bytes),
      value: member.decode(bytes.subarray(IFNAMSIZ, IFNAMSIZ + UNION)),
    };
  },
});

const interfaceName = fixedCString(IFNAMSIZ);

/** `struct sockaddr`, of 16 bytes. */
const address: FixedCodec<Sockaddr> = {
  name: "struct sockaddr",
  size: 16,
  alignment: 4,
  sizeOf: () => 16,
  encode: (value, into) => {
    const bytes = encodeSockaddr(value);
    if (bytes.length > 16)
      throw new RangeError(`${bytes.length} bytes do not fit into struct sockaddr of 16`);
    into.fill(0, 0, 16).set(bytes);
  },
  // An address has 16 bytes: the kernel does not say how many of them are meant.
  decode: (bytes) => decodeSockaddr(bytes.subarray(0, 16)) as Sockaddr,
};

/** `struct ifreq` with each member of its union, as requests of {@link SIOC} need it; 40 bytes. See netdevice(7). */
export const ifreqs = {
  /** SIOCGIFADDR, SIOCSIFNETMASK, SIOCGIFHWADDR, ... */
  address: ifreq(address),
  /** SIOCGIFFLAGS and SIOCSIFFLAGS of {@link IFF}, TUNSETIFF. */
  flags: ifreq(Uint16),
  /** SIOCGIFINDEX, SIOCGIFMTU, SIOCGIFMETRIC, SIOCGIFTXQLEN, SIOCBRADDIF, ... */
  int: ifreq(Int32),
  /** SIOCGIFMAP */
  map: ifreq(Ifmap),
  /** SIOCSIFNAME, SIOCGIFSLAVE */
  name: ifreq(interfaceName),
  /** Any other. */
  bytes: ifreq(fixedBytes(UNION)),
} as const;
