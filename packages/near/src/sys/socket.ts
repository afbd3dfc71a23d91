import { call, callVoid } from "../call.ts";
import { type Address, type Fd, NULL } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** socket(2) */
export const socket = (sysif: SyscallInterface, domain: number, type: number, protocol = 0) =>
  call<Fd>(sysif, "socket", undefined, domain, type, protocol);

/** socketpair(2): writes two 32-bit descriptors. */
export const socketpair = (
  sysif: SyscallInterface,
  domain: number,
  type: number,
  protocol: number,
  fds: Address,
) => callVoid(sysif, "socketpair", undefined, domain, type, protocol, fds);

/** bind(2) */
export const bind = (
  sysif: SyscallInterface,
  fd: Fd,
  address: Address,
  length: number,
  subject = `fd ${fd}`,
) => callVoid(sysif, "bind", subject, fd, address, length);

/** connect(2) */
export const connect = (
  sysif: SyscallInterface,
  fd: Fd,
  address: Address,
  length: number,
  subject = `fd ${fd}`,
) => callVoid(sysif, "connect", subject, fd, address, length);

/** listen(2) */
export const listen = (sysif: SyscallInterface, fd: Fd, backlog: number) =>
  callVoid(sysif, "listen", `fd ${fd}`, fd, backlog);

/** accept4(2), without the peer's address. */
export const accept4 = (sysif: SyscallInterface, fd: Fd, flags: number) =>
  call<Fd>(sysif, "accept4", `fd ${fd}`, fd, NULL, NULL, flags);

/** shutdown(2) */
export const shutdown = (sysif: SyscallInterface, fd: Fd, how: number) =>
  callVoid(sysif, "shutdown", `fd ${fd}`, fd, how);

/** send(2): sendto without an address. */
export const send = (
  sysif: SyscallInterface,
  fd: Fd,
  from: Address,
  length: number,
  flags: number,
) => call(sysif, "sendto", `fd ${fd}`, fd, from, length, flags, NULL, 0);

/** recv(2): recvfrom without an address. */
export const recv = (sysif: SyscallInterface, fd: Fd, to: Address, length: number, flags: number) =>
  call(sysif, "recvfrom", `fd ${fd}`, fd, to, length, flags, NULL, NULL);

/** sendmsg(2) */
export const sendmsg = (sysif: SyscallInterface, fd: Fd, message: Address, flags: number) =>
  call(sysif, "sendmsg", `fd ${fd}`, fd, message, flags);

/** recvmsg(2) */
export const recvmsg = (sysif: SyscallInterface, fd: Fd, message: Address, flags: number) =>
  call(sysif, "recvmsg", `fd ${fd}`, fd, message, flags);

/** getsockopt(2): `length` points to a 32-bit value and result. */
export const getsockopt = (
  sysif: SyscallInterface,
  fd: Fd,
  level: number,
  option: number,
  value: Address,
  length: Address,
) => callVoid(sysif, "getsockopt", `fd ${fd}`, fd, level, option, value, length);

/** setsockopt(2): `length` in bytes. */
export const setsockopt = (
  sysif: SyscallInterface,
  fd: Fd,
  level: number,
  option: number,
  value: Address,
  length: number,
) => callVoid(sysif, "setsockopt", `fd ${fd}`, fd, level, option, value, length);

/** getsockname(2): `length` points to a 32-bit value and result. */
export const getsockname = (sysif: SyscallInterface, fd: Fd, address: Address, length: Address) =>
  callVoid(sysif, "getsockname", `fd ${fd}`, fd, address, length);

/** getpeername(2): `length` points to a 32-bit value and result. */
export const getpeername = (sysif: SyscallInterface, fd: Fd, address: Address, length: Address) =>
  callVoid(sysif, "getpeername", `fd ${fd}`, fd, address, length);
