import type { Abi, SyscallName } from "../Abi.ts";

/** The part of an {@link Abi} that follows from its table of system calls. */
export const lookup = (
  syscalls: Abi["syscalls"],
): Pick<Abi, "syscalls" | "syscallNumber" | "syscallName"> => {
  const names = new Map(Object.entries(syscalls).map(([name, number]) => [number, name]));
  return {
    syscalls,
    syscallNumber: (name: SyscallName) => syscalls[name],
    syscallName: (number) => names.get(number) ?? `syscall_${number}`,
  };
};
