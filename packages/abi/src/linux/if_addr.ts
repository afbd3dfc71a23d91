import { type FixedCodec, struct, Uint8, Uint32 } from "../Codec.ts";

/** Attributes of an address. See rtnetlink(7). */
export const IFA = {
  UNSPEC: 0,
  ADDRESS: 1,
  LOCAL: 2,
  LABEL: 3,
  BROADCAST: 4,
  ANYCAST: 5,
  CACHEINFO: 6,
  MULTICAST: 7,
  FLAGS: 8,
  RT_PRIORITY: 9,
  TARGET_NETNSID: 10,
  PROTO: 11,
} as const;

/** Flags of an address. See rtnetlink(7). */
export const IFA_F = {
  SECONDARY: 0x1,
  TEMPORARY: 0x1,
  NODAD: 0x2,
  OPTIMISTIC: 0x4,
  DADFAILED: 0x8,
  HOMEADDRESS: 0x10,
  DEPRECATED: 0x20,
  TENTATIVE: 0x40,
  PERMANENT: 0x80,
  MANAGETEMPADDR: 0x100,
  NOPREFIXROUTE: 0x200,
  MCAUTOJOIN: 0x400,
  STABLE_PRIVACY: 0x800,
} as const;

/** `struct ifaddrmsg`: what precedes the attributes of an address. See rtnetlink(7). */
export interface Ifaddrmsg {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  /** Bits of the address that name the network. */
  readonly prefixLength: number;
  /** The lowest 8 of {@link IFA_F}. */
  readonly flags: number;
  /** Of `RT_SCOPE`. */
  readonly scope: number;
  /** The number of the interface. */
  readonly index: number;
}

/** See {@link Ifaddrmsg}; 8 bytes. */
export const Ifaddrmsg: FixedCodec<Ifaddrmsg> = struct("struct ifaddrmsg", {
  family: Uint8,
  prefixLength: Uint8,
  flags: Uint8,
  scope: Uint8,
  index: Uint32,
});
