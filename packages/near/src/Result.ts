import type { Format } from "./Format.ts";
import type { Address, Fd, Pid } from "./identifiers.ts";
import type { Word } from "./SyscallInterface.ts";

/**
 * The results that a system call can have when it succeeds. Any other number is refused, because a task may lie.
 *
 * @typeParam R the type to which the result is decoded
 */
export interface Result<out R> {
  /** The smallest result of a success. */
  readonly least: number;
  /** The largest result of a success; a bigint if it may be one that no number holds exactly. */
  readonly most: Word;
  /** The index, from 0, of the argument that limits the result; -1 for none. */
  readonly countedBy: number;
  /** How a trace shows it. */
  readonly format: Format;
  /** Decodes the number. Default: the number itself. */
  readonly decode?: ((result: number) => R) | undefined;
}

const INT_MAX = 2 ** 31 - 1;
const UINT_MAX = 2 ** 32 - 1;

/** A number from `least` to `most`, both included. */
export const between = <R = number>(
  least: number,
  most: number,
  as: "decimal" | "fd" | "pid" | "id" | "octal" | "address" = "decimal",
  decode?: (result: number) => R,
): Result<R> => ({ least, most, countedBy: -1, format: { as }, decode });

/** No value: the call only succeeds. */
export const nothing: Result<void> = between(0, 0, "decimal", () => {});
/** The number of a descriptor. */
export const newFd: Result<Fd> = between(0, INT_MAX, "fd");
/** The number of a process, or 0. */
export const somePid: Result<Pid> = between(0, INT_MAX, "pid");
/** The number of a user or a group. */
export const someId: Result<number> = between(0, UINT_MAX, "id");
/** A number whose meaning depends on the arguments. */
export const someInt: Result<number> = between(-(2 ** 31), UINT_MAX);
/** User addresses are at most 2^52: arm64 with its largest pages. */
export const newAddress: Result<Address> = between(0, 2 ** 52, "address");
/** A number that may be large. A correct kernel may give a larger one, which is EOVERFLOW. */
export const someOffset: Result<number> = between(0, Number.MAX_SAFE_INTEGER);
/** A position in a file: a bigint if no number holds it exactly. */
export const position: Result<number | bigint> = {
  least: 0,
  most: 2n ** 63n - 1n,
  countedBy: -1,
  format: { as: "decimal" },
};
/** A count that is at most the argument of this index. */
export const countOf = (argument: number): Result<number> => ({
  least: 0,
  most: Number.MAX_SAFE_INTEGER,
  countedBy: argument,
  format: { as: "decimal" },
});
/** A number of bytes: at most what the kernel transfers in one call (MAX_RW_COUNT). */
export const transferred: Result<number> = between(0, 0x7fff_f000);
