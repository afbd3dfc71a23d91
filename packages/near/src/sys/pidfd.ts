import { call, callVoid } from "../call.ts";
import { type Fd, NULL, type Pid } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** pidfd_open(2), always close-on-exec. */
export const pidfdOpen = (sysif: SyscallInterface, pid: Pid | number, flags: number) =>
  call<Fd>(sysif, "pidfd_open", `pid ${pid}`, pid, flags);

/** pidfd_send_signal(2), as kill(2) does it. */
export const pidfdSendSignal = (
  sysif: SyscallInterface,
  pidfd: Fd,
  signal: number,
  subject?: string,
) => callVoid(sysif, "pidfd_send_signal", subject, pidfd, signal, NULL, 0);

/** pidfd_getfd(2): a duplicate, close-on-exec, of a descriptor of another process. */
export const pidfdGetfd = (sysif: SyscallInterface, pidfd: Fd, fd: Fd) =>
  call<Fd>(sysif, "pidfd_getfd", `fd ${fd}`, pidfd, fd, 0);
