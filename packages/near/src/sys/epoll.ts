import { call, callVoid } from "../call.ts";
import { type Address, type Fd, NULL } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** epoll_create1(2) */
export const epollCreate1 = (sysif: SyscallInterface, flags: number) =>
  call<Fd>(sysif, "epoll_create1", undefined, flags);

/** epoll_ctl(2): the layout of the event is `abi.epollEvent` of the task. */
export const epollCtl = (
  sysif: SyscallInterface,
  epoll: Fd,
  operation: number,
  fd: Fd,
  event: Address,
) => callVoid(sysif, "epoll_ctl", `fd ${fd}`, epoll, operation, fd, event);

/** epoll_wait(2), by epoll_pwait, which all machines have. `timeout` in milliseconds. */
export const epollWait = (
  sysif: SyscallInterface,
  epoll: Fd,
  events: Address,
  most: number,
  timeout: number,
) => call(sysif, "epoll_pwait", `fd ${epoll}`, epoll, events, most, timeout, NULL, 8);
