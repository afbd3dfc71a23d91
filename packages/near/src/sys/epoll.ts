import { Effect } from "effect";
import { call } from "../call.ts";
import { type Address, Fd, NULL } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** epoll_create1(2) */
export const epollCreate1 = (sysif: SyscallInterface, flags: number) =>
  Effect.map(call(sysif, "epoll_create1", undefined, flags), Fd);

/** epoll_ctl(2): the layout of the event is `abi.epollEvent` of the task. */
export const epollCtl = (
  sysif: SyscallInterface,
  epoll: Fd,
  operation: number,
  fd: Fd,
  event: Address,
) => Effect.asVoid(call(sysif, "epoll_ctl", `fd ${fd}`, epoll, operation, fd, event));

/** epoll_wait(2), by epoll_pwait, which all machines have. `timeout` in milliseconds. */
export const epollWait = (
  sysif: SyscallInterface,
  epoll: Fd,
  events: Address,
  most: number,
  timeout: number,
) => call(sysif, "epoll_pwait", `fd ${epoll}`, epoll, events, most, timeout, NULL, 8);
