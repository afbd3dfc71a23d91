import { call, callVoid } from "../call.ts";
import type { Address, Fd } from "../identifiers.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** inotify_init1(2) */
export const inotifyInit1 = (sysif: SyscallInterface, flags: number) =>
  call<Fd>(sysif, "inotify_init1", undefined, flags);

/** inotify_add_watch(2): the watch descriptor. */
export const inotifyAddWatch = (
  sysif: SyscallInterface,
  fd: Fd,
  path: Address,
  mask: number,
  subject?: string,
) => call(sysif, "inotify_add_watch", subject, fd, path, mask);

/** inotify_rm_watch(2) */
export const inotifyRmWatch = (sysif: SyscallInterface, fd: Fd, wd: number) =>
  callVoid(sysif, "inotify_rm_watch", `watch ${wd}`, fd, wd);
