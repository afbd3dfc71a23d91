import { callVoid } from "../call.ts";
import { definitionOf } from "../definitions.ts";
import type { Address, Pid } from "../identifiers.ts";
import { Syscall } from "../Syscall.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";

/** getpriority(2): the nice value, -20 to 19. The system call gives 20 minus it, so that it is no errno. */
export const getpriority = (sysif: SyscallInterface, which: number, who: number) =>
  new Syscall(
    sysif,
    definitionOf("getpriority"),
    `id ${who}`,
    (result) => 20 - result,
    undefined,
    which,
    who,
  );

/** setpriority(2) */
export const setpriority = (sysif: SyscallInterface, which: number, who: number, nice: number) =>
  callVoid(sysif, "setpriority", `id ${who}`, which, who, nice);

/** prlimit64, the system call behind prlimit(2). Either address may be NULL. */
export const prlimit = (
  sysif: SyscallInterface,
  pid: Pid | number,
  resource: number,
  limit: Address,
  old: Address,
) => callVoid(sysif, "prlimit64", `pid ${pid}`, pid, resource, limit, old);
