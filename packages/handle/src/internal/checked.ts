import type { Codec } from "@rsyscall/abi";
import { InvalidArgumentError, impossible, type SyscallError } from "@rsyscall/near";
import { Effect, Exit } from "effect";
import { encode } from "../encode.ts";

/*
 * Most integers reach the kernel as 32 bits, and larger ones are cut: without a check, 2^32 would be root's id,
 * and 2^32 - 1 the pid -1, which is every process.
 */

/** What an argument must be. */
export interface Rule<in A> {
  /** In words, as in "a size from 0 to 9007199254740991". */
  readonly expected: string;
  readonly has: (value: A) => boolean;
}

/** The whole numbers from `least` to `most`, both included. */
export const between = (what: string, least: number, most: number): Rule<number> => ({
  expected: `${what} from ${least} to ${most}`,
  has: (value) => Number.isSafeInteger(value) && value >= least && value <= most,
});

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;
const UINT_MAX = 2 ** 32 - 1;

/** A number that fits into an int of the kernel. */
export const int = between("a whole number", INT_MIN, INT_MAX);

/** A set of flags of 32 bits, which JavaScript's operators may have made a negative number. */
export const flagSet = between("a set of flags", INT_MIN, UINT_MAX);

/** The number of a descriptor. */
export const fdNumber = between("the number of a descriptor", 0, INT_MAX);

/** A user or group id. -1 is none: it means "no change", and so does 2^32 - 1. */
export const id = between("a user or group id", 0, UINT_MAX - 1);

/** The value for 64 bits of the kernel. Throws for a number that is not exact, and for what is no whole number. */
export const exactly = (value: number | bigint): bigint => {
  if (typeof value !== "bigint" && !Number.isSafeInteger(value))
    throw new RangeError(`${String(value)} is not exact`);
  return BigInt(value);
};

/** A number of bytes, or of things. */
export const size = between("a size", 0, Number.MAX_SAFE_INTEGER);

/** A rule for an argument that may be left out. */
export const optional = <A>({ expected, has }: Rule<A>): Rule<A | undefined> => ({
  expected: `${expected}, or undefined`,
  has: (value) => value === undefined || has(value),
});

/** An argument that the kernel would misread. */
export type Misread = Pick<InvalidArgumentError, "argument" | "value" | "expected">;

/** Checks an argument; undefined if it is as it must be. */
export const argument = <A>(name: string, value: A, rule: Rule<A>): Misread | undefined =>
  rule.has(value) ? undefined : { argument: name, value, expected: rule.expected };

/** Bytes, as a Buffer is. */
export const bytes: Rule<unknown> = {
  expected: "a Uint8Array, as a Buffer is",
  has: (value) => value instanceof Uint8Array,
};

/** A list whose elements all have a rule. */
export const each = <A>({ expected, has }: Rule<A>): Rule<ReadonlyArray<A>> => ({
  expected: `a list, and each of it ${expected}`,
  has: (values) => Array.isArray(values) && values.every(has),
});

/** Makes the call; an InvalidArgumentError for the first argument that the kernel would misread. */
export const checked = <A, E, R>(
  syscall: string,
  problems: ReadonlyArray<Misread | undefined>,
  call: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | InvalidArgumentError, R> => {
  const problem = problems.find((found) => found !== undefined);
  return problem === undefined
    ? call
    : Effect.fail(new InvalidArgumentError({ syscall, ...problem }));
};

/** Encodes an argument when it is run; an InvalidArgumentError for a value that its type in C cannot have. */
export const encoded = <A>(
  syscall: string,
  argument: string,
  type: Codec<A>,
  value: A,
): Effect.Effect<Uint8Array, InvalidArgumentError> =>
  Effect.suspend(() => encodedNow(syscall, argument, type, value));

/** As `encoded`, at once. */
export const encodedNow = <A>(
  syscall: string,
  argument: string,
  type: Codec<A>,
  value: A,
): Exit.Exit<Uint8Array, InvalidArgumentError> =>
  encodedBy({ syscall, argument, value, expected: `a value of ${type.name}` }, () =>
    encode(type, value),
  );

/** As `encodedNow`, for an argument that is encoded in another way. */
export const encodedBy = (
  fields: Misread & Pick<InvalidArgumentError, "syscall">,
  bytes: () => Uint8Array,
): Exit.Exit<Uint8Array, InvalidArgumentError> => {
  try {
    return Exit.succeed(bytes());
  } catch (cause) {
    return Exit.fail(new InvalidArgumentError({ ...fields, cause }));
  }
};

/**
 * The number of bytes that a call says it has filled in: EPROTO for a number that no kernel returns, but a task
 * that lies might.
 */
export const checkedCount = <E, R>(
  syscall: string,
  call: Effect.Effect<number, E, R>,
  size: number,
): Effect.Effect<number, E | SyscallError, R> =>
  Effect.flatMap(call, (count) =>
    count >= 0 && count <= size
      ? Effect.succeed(count)
      : Effect.fail(impossible(syscall, undefined, `${count} of ${size} bytes`)),
  );
