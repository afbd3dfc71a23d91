import { type Codec, reserved, struct, Uint8, Uint32 } from "../Codec.ts";
import { decodeSockaddr, encodeSockaddr, type Sockaddr } from "../sys/sockaddr.ts";

/** Where an error of a socket comes from: the origin of {@link SockExtendedErr}. See ip(7). */
export const SO_EE_ORIGIN = {
  NONE: 0,
  LOCAL: 1,
  ICMP: 2,
  ICMP6: 3,
  TXSTATUS: 4,
  TIMESTAMPING: 4,
  ZEROCOPY: 5,
  TXTIME: 6,
} as const;

/** `struct sock_extended_err` of IP_RECVERR, with the node that has reported the error. See ip(7). */
export interface SockExtendedErr {
  /** A number of `Errno`. */
  readonly errno: number;
  /** Of {@link SO_EE_ORIGIN}. */
  readonly origin: number;
  /** The type of the ICMP message. */
  readonly type: number;
  /** The code of the ICMP message. */
  readonly code: number;
  /** More of the error: the MTU of EMSGSIZE. */
  readonly info: number;
  /** More of the error. */
  readonly data: number;
  /** The address of the node that has reported the error; undefined if that is not known. */
  readonly offender?: Sockaddr | undefined;
}

const layout = struct("struct sock_extended_err", {
  errno: Uint32,
  origin: Uint8,
  type: Uint8,
  code: Uint8,
  pad: reserved(1),
  info: Uint32,
  data: Uint32,
});

const offenderOf = (bytes: Uint8Array): Sockaddr | undefined => {
  const address = decodeSockaddr(bytes);
  return address === undefined || address.family === 0 ? undefined : address;
};

/** See {@link SockExtendedErr}; 16 bytes, and an address. */
export const SockExtendedErr: Codec<SockExtendedErr> = {
  ...layout,
  size: undefined,
  sizeOf: ({ offender }) =>
    layout.size + (offender === undefined ? 0 : encodeSockaddr(offender).length),
  encode: ({ offender, ...error }, into) => {
    layout.encode(error, into);
    if (offender !== undefined) into.set(encodeSockaddr(offender), layout.size);
  },
  decode: (bytes) => {
    return { ...layout.decode(bytes), offender: offenderOf(bytes.subarray(layout.size)) };
  },
};
