import {
  AF,
  IP,
  IPV6,
  Mmsghdr,
  MSG,
  Msghdr,
  NETLINK,
  PACKET,
  SHUT,
  SO,
  SOCK,
  SOL,
  TCP,
  Timespec,
  UDP,
  Uint32,
} from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, type Fd, NULL } from "../identifiers.ts";
import { fd, flags, inout, input, int, oneOf, output, size, smallSize, uint } from "../kinds.ts";
import { array, bytes, sockaddr, twoFds, value } from "../Memory.ts";
import { countOf, newFd, nothing, transferred } from "../Result.ts";
import type { Syscall } from "../Syscall.ts";
import { type AnyKind, SyscallDefinition } from "../SyscallDefinition.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

const { NONBLOCK, CLOEXEC } = SOCK;
const domain = oneOf("AF_", AF, "domain");
/** The type is in the lowest bits, with flags above them. */
const type = flags("SOCK_", SOCK, 0xf).as("type");
const protocol = int.as("protocol");
const messageFlags = flags("MSG_", MSG);
const level = oneOf("SOL_", SOL, "level");
const option = oneOf("SO_", SO, "option");
const length = inout(value(Uint32), "length");

/**
 * socket(2). Prompt, although the first socket of a family may load a module: that wait ends by itself.
 */
export const socket = define<[domain: number, type: number, protocol?: number], Fd>(
  "socket",
  [domain, type, protocol.or(0)],
  newFd,
  { prompt: true },
);

/** socketpair(2): writes two 32-bit descriptors. Prompt as socket(2). */
export const socketpair = define<
  [domain: number, type: number, protocol: number, fds: Address],
  void
>("socketpair", [domain, type, protocol, output(twoFds, "fds")], nothing, { prompt: true });

/** bind(2). Not prompt: it looks up a path. */
export const bind = define<[fd: Fd, address: Address, length: number], void>(
  "bind",
  [fd, input(sockaddr(2), "address"), smallSize],
  nothing,
);

/** connect(2). Not prompt: it looks up a path. */
export const connect = define<[fd: Fd, address: Address, length: number], void>(
  "connect",
  [fd, input(sockaddr(2), "address"), smallSize],
  nothing,
);

/** listen(2) */
export const listen = define<[fd: Fd, backlog: number], void>(
  "listen",
  [fd, int.as("backlog")],
  nothing,
  { prompt: true },
);

/** accept4(2). `length` points to a 32-bit value and result; it and the peer's address may be NULL. */
export const accept4 = define<[fd: Fd, address: Address, length: Address, flags: number], Fd>(
  "accept4",
  [fd, output(sockaddr({ at: 2 }), "address"), length, flags("SOCK_", { NONBLOCK, CLOEXEC })],
  newFd,
  { restarts: true },
);

/** shutdown(2) */
export const shutdown = define<[fd: Fd, how: number], void>(
  "shutdown",
  [fd, oneOf("SHUT_", SHUT, "how")],
  nothing,
);

/** sendto(2) */
export const sendto = define<
  [fd: Fd, buffer: Address, length: number, flags: number, address: Address, addressLength: number],
  number
>(
  "sendto",
  [
    fd,
    input(bytes(2), "buffer"),
    size,
    messageFlags,
    input(sockaddr(5), "address"),
    smallSize.as("addressLength"),
  ],
  countOf(2),
  { restarts: true },
);

/** send(2): sendto without an address. */
export const send = (
  sysif: SyscallInterface,
  fd: Fd,
  buffer: Address,
  length: number,
  flags: number,
): Syscall<number> => sendto(sysif, fd, buffer, length, flags, NULL, 0);

/** recvfrom(2). With MSG.TRUNC the result is more than `length` if a datagram was cut. */
export const recvfrom = define<
  [
    fd: Fd,
    buffer: Address,
    length: number,
    flags: number,
    address: Address,
    addressLength: Address,
  ],
  number
>(
  "recvfrom",
  [
    fd,
    output(bytes(2), "buffer"),
    size,
    messageFlags,
    output(sockaddr({ at: 5 }), "address"),
    length.as("addressLength"),
  ],
  transferred,
  { restarts: true },
);

/** recv(2): recvfrom without an address. */
export const recv = (
  sysif: SyscallInterface,
  fd: Fd,
  buffer: Address,
  length: number,
  flags: number,
): Syscall<number> => recvfrom(sysif, fd, buffer, length, flags, NULL, NULL);

/** sendmsg(2) */
export const sendmsg = define<[fd: Fd, message: Address, flags: number], number>(
  "sendmsg",
  [fd, input(value(Msghdr), "message"), messageFlags],
  transferred,
  { restarts: true },
);

/** recvmsg(2) */
export const recvmsg = define<[fd: Fd, message: Address, flags: number], number>(
  "recvmsg",
  [fd, inout(value(Msghdr), "message"), messageFlags],
  transferred,
  { restarts: true },
);

/** The names of the options of each level but SOL_SOCKET. */
const optionKinds: ReadonlyMap<number, AnyKind> = new Map([
  [SOL.IP, oneOf("IP_", IP, "option")],
  [SOL.TCP, oneOf("TCP_", TCP, "option")],
  [SOL.UDP, oneOf("UDP_", UDP, "option")],
  [SOL.IPV6, oneOf("IPV6_", IPV6, "option")],
  [SOL.PACKET, oneOf("PACKET_", PACKET, "option")],
  [SOL.NETLINK, oneOf("NETLINK_", NETLINK, "option")],
]);

/** Gives the definition of a call on an option, by its level, so that a trace shows the name of the option. */
const byLevel = (name: "getsockopt" | "setsockopt", rest: ReadonlyArray<AnyKind>) => {
  const variants = new Map(
    [...optionKinds].map(([number, kind]) => [
      number,
      new SyscallDefinition(name, [fd, level, kind, ...rest], nothing),
    ]),
  );
  return (_: unknown, level: unknown) => variants.get(level as number);
};

const gotten = [output(bytes({ at: 4 }), "value"), length] as const;
const given = [input(bytes(4), "value"), smallSize] as const;

/** getsockopt(2): `length` points to a 32-bit value and result. */
export const getsockopt = define<
  [fd: Fd, level: number, option: number, value: Address, length: Address],
  void
>("getsockopt", [fd, level, option, ...gotten], nothing, {
  variant: byLevel("getsockopt", gotten),
});

/** setsockopt(2). Not prompt: it is many calls in one. */
export const setsockopt = define<
  [fd: Fd, level: number, option: number, value: Address, length: number],
  void
>("setsockopt", [fd, level, option, ...given], nothing, {
  variant: byLevel("setsockopt", given),
});

/** getsockname(2): `length` points to a 32-bit value and result. */
export const getsockname = define<[fd: Fd, address: Address, length: Address], void>(
  "getsockname",
  [fd, output(sockaddr({ at: 2 }), "address"), length],
  nothing,
  { prompt: true },
);

/** getpeername(2): `length` points to a 32-bit value and result. */
export const getpeername = define<[fd: Fd, address: Address, length: Address], void>(
  "getpeername",
  [fd, output(sockaddr({ at: 2 }), "address"), length],
  nothing,
  { prompt: true },
);

/** accept(2): see accept4, which can make the new descriptor close-on-exec. */
export const accept = define<[fd: Fd, address: Address, length: Address], Fd>(
  "accept",
  [fd, output(sockaddr({ at: 2 }), "address"), inout(value(Uint32), "length")],
  newFd,
);

/** sendmmsg(2): gives the number of messages, each a `struct mmsghdr` of 64 bytes, that were sent. */
export const sendmmsg = define<[fd: Fd, messages: Address, count: number, flags: number], number>(
  "sendmmsg",
  [fd, inout(array(Mmsghdr, 2), "messages"), uint.as("count"), messageFlags],
  countOf(2),
);

/** recvmmsg(2): gives the number of messages, each a `struct mmsghdr` of 64 bytes, that were received. */
export const recvmmsg = define<
  [fd: Fd, messages: Address, count: number, flags: number, timeout: Address],
  number
>(
  "recvmmsg",
  [
    fd,
    inout(array(Mmsghdr, 2), "messages"),
    uint.as("count"),
    messageFlags,
    input(value(Timespec), "timeout"),
  ],
  countOf(2),
);
