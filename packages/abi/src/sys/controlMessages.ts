import { arrayOf, type Codec, Int32, Uint8, Uint16, Uint32 } from "../Codec.ts";
import { SockExtendedErr } from "../linux/errqueue.ts";
import { In6Pktinfo, InPktinfo, IP, IPV6, SockaddrIn } from "../netinet/in.ts";
import { TCP } from "../netinet/tcp.ts";
import { UDP } from "../netinet/udp.ts";
import { Timespec } from "../time.ts";
import { type ControlMessage, SCM, SO, SOL, Ucred } from "./socket.ts";
import { Timeval } from "./time.ts";

/** What a control message is: its level, its type, and the codec of its data. */
export interface ControlType<A> {
  /** Of `SOL`. */
  readonly level: number;
  /** The number of the message within its level. */
  readonly type: number;
  /** The codec of the bytes behind the header. */
  readonly codec: Codec<A>;
}

const control = <A>(level: number, type: number, codec: Codec<A>): ControlType<A> => ({
  level,
  type,
  codec,
});

/**
 * The control messages that have a codec, by their names in C. Descriptors (SCM_RIGHTS, SCM_PIDFD) are not among
 * them: handles own those. See unix(7), socket(7), ip(7), ipv6(7), udp(7), cmsg(3).
 */
export const controlTypes = {
  /** The process that sends; asked for by SO_PASSCRED. To send other ids than one's own needs CAP_SETUID and such. */
  SCM_CREDENTIALS: control(SOL.SOCKET, SCM.CREDENTIALS, Ucred),
  /** When the packet came; asked for by SO_TIMESTAMP. */
  SCM_TIMESTAMP: control(SOL.SOCKET, SCM.TIMESTAMP, Timeval),
  /** When the packet came; asked for by SO_TIMESTAMPNS. */
  SCM_TIMESTAMPNS: control(SOL.SOCKET, SCM.TIMESTAMPNS, Timespec),
  /** Times of software, none, and of hardware; asked for by SO_TIMESTAMPING. */
  SCM_TIMESTAMPING: control(SOL.SOCKET, SCM.TIMESTAMPING, arrayOf(Timespec, 3)),
  /** How many datagrams were dropped; asked for by SO_RXQ_OVFL. */
  SO_RXQ_OVFL: control(SOL.SOCKET, SO.RXQ_OVFL, Uint32),
  /** Where a datagram came in, or is to go out; asked for by IP_PKTINFO. */
  IP_PKTINFO: control(SOL.IP, IP.PKTINFO, InPktinfo),
  /** The time to live; asked for by IP_RECVTTL. */
  IP_TTL: control(SOL.IP, IP.TTL, Int32),
  /** The type of service; asked for by IP_RECVTOS. The kernel gives one byte. */
  IP_TOS: control(SOL.IP, IP.TOS, Uint8),
  /** The destination before it was changed by NAT; asked for by IP_RECVORIGDSTADDR. */
  IP_ORIGDSTADDR: control(SOL.IP, IP.ORIGDSTADDR, SockaddrIn),
  /** Why an earlier datagram has failed: with MSG_ERRQUEUE; asked for by IP_RECVERR. */
  IP_RECVERR: control(SOL.IP, IP.RECVERR, SockExtendedErr),
  /** Where a datagram came in, or is to go out; asked for by IPV6_RECVPKTINFO. */
  IPV6_PKTINFO: control(SOL.IPV6, IPV6.PKTINFO, In6Pktinfo),
  /** The hop limit; asked for by IPV6_RECVHOPLIMIT. */
  IPV6_HOPLIMIT: control(SOL.IPV6, IPV6.HOPLIMIT, Int32),
  /** The traffic class; asked for by IPV6_RECVTCLASS. */
  IPV6_TCLASS: control(SOL.IPV6, IPV6.TCLASS, Int32),
  /** Why an earlier datagram has failed: with MSG_ERRQUEUE; asked for by IPV6_RECVERR. */
  IPV6_RECVERR: control(SOL.IPV6, IPV6.RECVERR, SockExtendedErr),
  /** Sends the bytes as several datagrams of this size. */
  UDP_SEGMENT: control(SOL.UDP, UDP.SEGMENT, Uint16),
  /** The size of the datagrams that were received as one; asked for by UDP_GRO. */
  UDP_GRO: control(SOL.UDP, UDP.GRO, Int32),
  /** Bytes that can be received behind these; asked for by TCP_INQ. */
  TCP_CM_INQ: control(SOL.TCP, TCP.CM_INQ, Int32),
} as const;

type Types = typeof controlTypes;

/** The control messages of one message, by their names in C, as in {@link controlTypes}; all may be missing. */
export type Control = {
  readonly [Name in keyof Types]?: Types[Name] extends ControlType<infer A> ? A : never;
} & {
  /** Those of other types, as bytes. */
  readonly others?: ReadonlyArray<ControlMessage>;
};

const byNumbers: ReadonlyMap<string, readonly [keyof Types, Codec<unknown>]> = new Map(
  Object.entries(controlTypes).map(
    ([name, { level, type, codec }]) =>
      [`${level} ${type}`, [name as keyof Types, codec as Codec<unknown>]] as const,
  ),
);

/** Control messages as the kernel takes them. Throws RangeError for a value that its type cannot have. */
export const controlMessages = ({ others = [], ...named }: Control): Array<ControlMessage> => [
  ...Object.entries(named)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      if (!Object.hasOwn(controlTypes, name)) throw new RangeError(`${name} is no control message`);
      const { level, type, codec } = controlTypes[name as keyof Types] as ControlType<unknown>;
      const data = new Uint8Array(codec.sizeOf(value));
      codec.encode(value, data);
      return { level, type, data };
    }),
  ...others,
];

/**
 * Control messages by their names. A second one of a type is among the others, and so is one that the kernel has cut
 * because there was no room for it (MSG_CTRUNC).
 */
export const controlOf = (messages: ReadonlyArray<ControlMessage>): Control => {
  const named: Record<string, unknown> = {};
  const others: Array<ControlMessage> = [];
  for (const message of messages) {
    const [name, codec] = byNumbers.get(`${message.level} ${message.type}`) ?? [];
    if (name === undefined || codec === undefined || Object.hasOwn(named, name))
      others.push(message);
    else
      try {
        named[name] = codec.decode(message.data);
      } catch {
        others.push(message);
      }
  }
  return (others.length > 0 ? { ...named, others } : named) as Control;
};
