import type { Format } from "./Format.ts";
import type { Address, Fd, Pid } from "./identifiers.ts";

/**
 * What a system call can give when it is no error. A task may lie: what is beyond is refused.
 *
 * @typeParam R what is made of it
 */
export interface Result<out R> {
  readonly least: number;
  readonly most: number;
  /** The argument, from 0, that says how many there can be at most; -1 for none. */
  readonly countedBy: number;
  readonly format: Format;
  /** What the number means. Default: itself. */
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

/** Nothing: that it was done. */
export const nothing: Result<void> = between(0, 0, "decimal", () => {});
export const newFd: Result<Fd> = between(0, INT_MAX, "fd");
export const somePid: Result<Pid> = between(0, INT_MAX, "pid");
export const someId: Result<number> = between(0, UINT_MAX, "id");
/** What depends on the other arguments. */
export const someInt: Result<number> = between(-(2 ** 31), UINT_MAX);
/** Addresses of users end at 2^52 at the latest, where arm64 has the largest pages. */
export const newAddress: Result<Address> = between(0, 2 ** 52, "address");
/** An offset may be larger than this on an honest kernel: EOVERFLOW. */
export const someOffset: Result<number> = between(0, Number.MAX_SAFE_INTEGER);
/** At most as many as the argument of this index says. */
export const countOf = (argument: number): Result<number> => ({
  least: 0,
  most: Number.MAX_SAFE_INTEGER,
  countedBy: argument,
  format: { as: "decimal" },
});
/** So many bytes at most as the kernel transfers in one call: MAX_RW_COUNT. */
export const transferred: Result<number> = between(0, 0x7fff_f000);
