import type { Word } from "./SyscallInterface.ts";

/*
 * Kinds of arguments and of results. JavaScript has one kind of number, and the kernel many: what does
 * not fit it cuts, so that 2^32 + 1 would be the pid 1, and NaN the length 0.
 */

/** What one argument of a system call can be. */
export interface ArgumentKind {
  /** As in "NaN is no size". */
  readonly name: string;
  /** The numbers from `least` to `most`, both included, and nothing between two of them. */
  readonly least: number;
  readonly most: number;
  /** Whether the kernel takes all 64 bits: then a bigint of 64 bits is one too, signed or not. */
  readonly isLong: boolean;
}

const int32 = (name: string, least: number, most: number): ArgumentKind => ({
  name,
  least,
  most,
  isLong: false,
});

const int64 = (name: string, least: number): ArgumentKind => ({
  name,
  least,
  most: Number.MAX_SAFE_INTEGER,
  isLong: true,
});

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;
const UINT_MAX = 2 ** 32 - 1;

/** Any content of a register. */
export const word = int64("64-bit integer", Number.MIN_SAFE_INTEGER);
/** A length or count of 64 bits. */
export const size = int64("size", 0);
/** A signed offset in a file. */
export const offset = int64("offset", Number.MIN_SAFE_INTEGER);
/** An address, or NULL. */
export const address = int64("address", 0);
/** A descriptor, or one of the negative numbers that stand for something, such as AT.FDCWD. */
export const fd = int32("file descriptor", INT_MIN, INT_MAX);
export const int = int32("int", INT_MIN, INT_MAX);
/** Bits, which JavaScript's operators may have made a negative number. */
export const flags = int32("set of flags", INT_MIN, UINT_MAX);
export const uint = int32("unsigned int", 0, UINT_MAX);
/** A process, a group (negative), or one of the numbers that stand for some. */
export const pid = int32("pid", INT_MIN, INT_MAX);
export const signal = int32("signal", INT_MIN, INT_MAX);
/** A user or group; or -1, which stands for none. 2^32 - 1 would be the same, and is refused. */
export const id = int32("id", -1, UINT_MAX - 1);
/** Permissions, and the type of a file: `umode_t`. */
export const mode = int32("mode", 0, 0xffff);

/** Whether the kernel takes a word for what it is. */
export const isOf = ({ least, most, isLong }: ArgumentKind, value: Word): boolean =>
  typeof value === "number"
    ? value >= least && value <= most && Number.isSafeInteger(value)
    : typeof value === "bigint" &&
      (isLong
        ? BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value
        : value >= least && value <= most);

/** Flags and more flags. What is no set of flags stays what it is, and the call that gets it refuses it. */
export const withFlags = (given: number, more: number): number =>
  isOf(flags, given) ? given | more : given;

/** What a system call can give when it is no error. */
export interface ResultKind {
  readonly least: number;
  readonly most: number;
  /** The argument, from 0, that says how many there can be at most; -1 for none. */
  readonly countedBy: number;
}

/** A number from `least` to `most`, both included. */
export const between = (least: number, most: number): ResultKind => ({
  least,
  most,
  countedBy: -1,
});

/** Nothing: that it was done. */
export const nothing: ResultKind = between(0, 0);
export const newFd: ResultKind = between(0, INT_MAX);
export const somePid: ResultKind = between(0, INT_MAX);
export const someId: ResultKind = between(0, UINT_MAX);
/** What depends on the other arguments. */
export const someInt: ResultKind = between(INT_MIN, UINT_MAX);
/** Addresses of users end at 2^52 at the latest, where arm64 has the largest pages. */
export const newAddress: ResultKind = between(0, 2 ** 52);
/** An offset may be larger than this on an honest kernel: EOVERFLOW. */
export const someOffset: ResultKind = between(0, Number.MAX_SAFE_INTEGER);
/** At most as many as the argument says. */
export const countOf = (argument: number): ResultKind => ({
  least: 0,
  most: Number.MAX_SAFE_INTEGER,
  countedBy: argument,
});
