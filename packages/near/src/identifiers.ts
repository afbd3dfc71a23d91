/**
 * Near identifiers: bare numbers that are valid only inside one namespace of one task, like near
 * pointers inside a segment. The brands prevent that an fd is used as a pid.
 */
import type { AT } from "@rsyscall/abi";
import type { Brand } from "effect";

/** A file descriptor number: an index into one file descriptor table. */
export type Fd = number & Brand.Brand<"rsyscall/near/Fd">;
/** Says that a number is a descriptor's. It is not checked here; a call checks its range. */
export const Fd = (number: number): Fd => number as Fd;

/** An address in one address space. User addresses are below 2^47 on both machines, so a number is exact. */
export type Address = number & Brand.Brand<"rsyscall/near/Address">;
/** Says that a number is an address. It is not checked here; a call checks its range. */
export const Address = (number: number): Address => number as Address;

/** A process id in one pid namespace. */
export type Pid = number & Brand.Brand<"rsyscall/near/Pid">;
/** Says that a number is a process's. It is not checked here; a call checks its range. */
export const Pid = (number: number): Pid => number as Pid;

/** Where a relative path begins: a directory, or AT.FDCWD for the working directory. */
export type DirectoryFd = Fd | typeof AT.FDCWD;

/** A number that is not an identifier of another kind. */
type Plain = number & { readonly [K in keyof Brand.Brand<string>]?: never };

/** A process, or a number that stands for several: 0 for the caller or its group, -1 for all, -PGID. */
export type PidLike = Pid | Plain;

/** The null pointer. */
export const NULL = Address(0);
