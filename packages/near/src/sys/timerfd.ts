import { call, callVoid } from "../call.ts";
import type { Address, Fd } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** timerfd_create(2) */
export const timerfdCreate = (sysif: SyscallInterface, clock: number, flags: number) =>
  call<Fd>(sysif, "timerfd_create", `clock ${clock}`, clock, flags);

/** timerfd_settime(2): `value` and `old` are `struct itimerspec`; `old` may be NULL. */
export const timerfdSettime = (
  sysif: SyscallInterface,
  fd: Fd,
  flags: number,
  value: Address,
  old: Address,
) => callVoid(sysif, "timerfd_settime", `fd ${fd}`, fd, flags, value, old);

/** timerfd_gettime(2) */
export const timerfdGettime = (sysif: SyscallInterface, fd: Fd, value: Address) =>
  callVoid(sysif, "timerfd_gettime", `fd ${fd}`, fd, value);
