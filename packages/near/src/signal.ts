import { call, callVoid } from "./call.ts";
import { type Address, NULL, type Pid } from "./identifiers.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/** The size of the kernel's signal set, which these calls ask for. */
const SIGSET_SIZE = 8;

/** rt_sigprocmask(2). Either set may be NULL. */
export const sigprocmask = (sysif: SyscallInterface, how: number, set: Address, old: Address) =>
  callVoid(sysif, "rt_sigprocmask", undefined, how, set, old, SIGSET_SIZE);

/** rt_sigaction(2). */
export const sigaction = (
  sysif: SyscallInterface,
  signal: number,
  action: Address,
  old: Address = NULL,
) => callVoid(sysif, "rt_sigaction", `signal ${signal}`, signal, action, old, SIGSET_SIZE);

/** kill(2) */
export const kill = (sysif: SyscallInterface, pid: Pid | number, signal: number) =>
  callVoid(sysif, "kill", `pid ${pid}`, pid, signal);

/** tgkill(2): one thread of a process. */
export const tgkill = (
  sysif: SyscallInterface,
  tgid: Pid | number,
  tid: Pid | number,
  signal: number,
) => callVoid(sysif, "tgkill", `thread ${tid} of pid ${tgid}`, tgid, tid, signal);

/** rt_sigpending(2) */
export const sigpending = (sysif: SyscallInterface, set: Address) =>
  callVoid(sysif, "rt_sigpending", undefined, set, SIGSET_SIZE);

/**
 * rt_sigtimedwait(2): takes a signal of the set that is pending, and gives its number; EAGAIN if none
 * comes within the timeout, a timespec.
 */
export const sigtimedwait = (
  sysif: SyscallInterface,
  set: Address,
  info: Address,
  timeout: Address,
) => call(sysif, "rt_sigtimedwait", undefined, set, info, timeout, SIGSET_SIZE);
