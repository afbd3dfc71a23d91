import { F } from "@rsyscall/abi";
import { call } from "./call.ts";
import { definitionOf, fcntlDup, fcntlOfInt } from "./definitions.ts";
import { type Address, type Fd, NULL } from "./identifiers.ts";
import { Syscall } from "./Syscall.ts";
import type { SyscallDefinition } from "./SyscallDefinition.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/** openat(2). `flags` have our values (`O`); the target's are made of them here. */
export const openat = (
  sysif: SyscallInterface,
  directory: Fd | number,
  path: Address,
  flags: number,
  mode: number,
  subject?: string,
) => call<Fd>(sysif, "openat", subject, directory, path, sysif.abi.openFlagsToTarget(flags), mode);

/** Commands of fcntl(2) whose argument is an address. */
const withPointer: ReadonlySet<number> = new Set([
  F.GETLK,
  F.SETLK,
  F.SETLKW,
  F.OFD_GETLK,
  F.OFD_SETLK,
  F.OFD_SETLKW,
  F.GETOWN_EX,
  F.SETOWN_EX,
  F.GET_RW_HINT,
  F.SET_RW_HINT,
  F.GET_FILE_RW_HINT,
  F.SET_FILE_RW_HINT,
]);

const definitionOfCommand = (command: number): SyscallDefinition => {
  if (command === F.DUPFD || command === F.DUPFD_CLOEXEC) return fcntlDup;
  return withPointer.has(command) ? definitionOf("fcntl") : fcntlOfInt;
};

/** fcntl(2) */
export const fcntl = (
  sysif: SyscallInterface,
  fd: Fd,
  command: number,
  argument: Word = 0,
  subject = `fd ${fd}`,
): Syscall<number> =>
  new Syscall(
    sysif,
    definitionOfCommand(command),
    subject,
    undefined,
    undefined,
    fd,
    command,
    argument,
  );

/** splice(2), without offsets: one of the two is a pipe. Gives how many bytes; 0 at the end. */
export const splice = (sysif: SyscallInterface, from: Fd, to: Fd, length: number, flags: number) =>
  call(sysif, "splice", `fd ${from}`, from, NULL, to, NULL, length, flags);
