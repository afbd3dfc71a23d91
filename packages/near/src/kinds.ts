import { type Abi, CLONE, cloneFlagNames, O } from "@rsyscall/abi";
import { enumFormat, type Format, flagsFormat } from "./Format.ts";
import type { Address, DirectoryFd, Fd, PidLike } from "./identifiers.ts";
import { type Content, fileName, type Memory } from "./Memory.ts";
import { oneLine } from "./oneLine.ts";
import type { Word } from "./SyscallInterface.ts";

/*
 * Kinds of arguments. JavaScript has one kind of number, the kernel has many, and it truncates a number that does
 * not fit: 2^32 + 1 would be the pid 1, and NaN the length 0.
 */

/** The fields of a {@link Kind}. */
interface KindFields {
  readonly name: string;
  readonly label: string;
  readonly least: number;
  readonly most: number;
  readonly isLong?: boolean;
  readonly format: Format;
  readonly about?: (value: Word) => string;
  readonly memory?: Memory;
  readonly target?: Translation;
}

/** Translates values between this library and a machine with other ones: `Abi.openFlagsToTarget`. */
interface Translation {
  readonly to: (abi: Abi, value: number) => number;
  readonly from: (abi: Abi, value: number) => number;
}

/**
 * The kind of an argument of a system call: the possible numbers, its form in a trace, and the data at an address.
 *
 * @typeParam T the type of the argument. A kind of one type is not assignable to a kind of another.
 */
export class Kind<in out T> {
  /** Keeps kinds of different types apart; there is no value. */
  declare protected readonly type: (value: T) => T;

  /** As in "a size from 0 to 9007199254740991". */
  readonly name: string;
  /** The name of the argument in the signature of the call. */
  readonly label: string;
  /** The smallest valid integer. */
  readonly least: number;
  /** The largest valid integer. */
  readonly most: number;
  /** Whether the kernel reads all 64 bits: then a bigint of 64 bits is allowed too. */
  readonly isLong: boolean;
  /** How a trace shows the argument. */
  readonly format: Format;
  /** Gives the subject, for errors, of a call whose first argument this is: "fd 5". */
  readonly about: ((value: Word) => string) | undefined;
  /** The memory at the address; undefined if the argument is not an address. */
  readonly memory: Memory | undefined;
  /** Translates the words of this library to those of the machine, if they differ. */
  readonly target: Translation | undefined;
  /** The default value; undefined if the argument is required. */
  readonly fallback: Word | undefined;
  readonly #fields: KindFields;

  constructor(fields: KindFields, fallback?: Word) {
    this.name = fields.name;
    this.label = fields.label;
    this.least = fields.least;
    this.most = fields.most;
    this.isLong = fields.isLong ?? false;
    this.format = fields.format;
    this.about = fields.about;
    this.memory = fields.memory;
    this.target = fields.target;
    this.fallback = fallback;
    this.#fields = fields;
  }

  /** Describes the valid values, for errors. */
  get expected(): string {
    const article = /^[aeio]/.test(this.name) ? "an" : "a";
    const [least, most] =
      this.format.as === "octal" ? [octal(this.least), octal(this.most)] : [this.least, this.most];
    const long = this.isLong ? ", or a bigint of 64 bits" : "";
    return `${article} ${this.name} from ${least} to ${most}${long}`;
  }

  /** Returns the same kind with another name. */
  as(label: string): Kind<T> {
    return new Kind({ ...this.#fields, label }, this.fallback);
  }

  /** Returns the same kind for an optional argument. */
  or(fallback: Word): Kind<T | undefined> {
    return new Kind<T | undefined>(this.#fields, fallback);
  }
}

oneLine(Kind, ({ label, expected }) => `${label}, ${expected}`);

const octal = (value: number): string => `0o${value.toString(8)}`;

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;
const UINT_MAX = 2 ** 32 - 1;

const int32 = { least: INT_MIN, most: INT_MAX, format: { as: "decimal" } } as const;
const uint32 = { least: 0, most: UINT_MAX, format: { as: "decimal" } } as const;
const int64 = {
  least: Number.MIN_SAFE_INTEGER,
  most: Number.MAX_SAFE_INTEGER,
  isLong: true,
  format: { as: "decimal" },
} as const;
const uint64 = { ...int64, least: 0 } as const;
/** 32 bits. JavaScript's operators may have made them a negative number. */
const bits32 = { name: "set of flags", label: "flags", least: INT_MIN, most: UINT_MAX } as const;

/** Any content of a register. Its meaning depends on the other arguments. */
export const word = new Kind<Word>({
  ...int64,
  name: "64-bit integer",
  label: "argument",
  format: { as: "hex" },
});
/** A length in bytes, of 64 bits. */
export const size = new Kind<number>({ ...uint64, name: "size", label: "length" });
/** A length in bytes, or a number of elements, of 31 bits. */
export const smallSize = new Kind<number>({
  ...int32,
  least: 0,
  name: "size",
  label: "length",
});
/** The size of the kernel's signal set, the last argument of the calls that take one. */
export const sigsetSize: Kind<number | undefined> = size.as("maskSize").or(8);
/** The size of a file, or a position in it. */
export const fileSize = new Kind<number | bigint>({ ...uint64, name: "size", label: "length" });
/** A signed offset in a file. */
export const offset = new Kind<number | bigint>({ ...int64, name: "offset", label: "offset" });
/** A C `int`: a number of 32 bits with a sign. */
export const int = new Kind<number>({ ...int32, name: "int", label: "value" });
/** A C `unsigned int`: a number of 32 bits. */
export const uint = new Kind<number>({ ...uint32, name: "unsigned int", label: "value" });

/** A descriptor. A negative number is EBADF. */
export const fd = new Kind<Fd>({
  ...int32,
  name: "file descriptor",
  label: "fd",
  format: { as: "fd" },
  about: (value) => `fd ${value}`,
});
/** A descriptor, or -1 for none. */
export const fdOrNone = new Kind<Fd | -1>({
  ...int32,
  name: "file descriptor",
  label: "fd",
  format: { as: "fd" },
});
/** The directory where a relative path begins: a descriptor, or AT.FDCWD. */
export const directory = new Kind<DirectoryFd>({
  ...int32,
  name: "file descriptor",
  label: "directory",
  format: { as: "directory" },
});

/** A process, a group (negative), or a number that stands for several. */
export const pid = new Kind<PidLike>({
  ...int32,
  name: "pid",
  label: "pid",
  format: { as: "pid" },
  about: (value) => `pid ${value}`,
});
/** The number of a signal; 0 asks whether one may be sent. */
export const signal = new Kind<number>({
  ...int32,
  name: "signal",
  label: "signal",
  format: { as: "signal" },
  about: (value) => `signal ${value}`,
});

/** An id, or -1 for none. 2^32 - 1 would have the same meaning, and is refused. */
const id = { least: -1, most: UINT_MAX - 1, format: { as: "id" } } as const;
/** The number of a user; -1 leaves it as it is. */
export const uid = new Kind<number>({
  ...id,
  name: "user id",
  label: "uid",
  about: (value) => `uid ${value}`,
});
/** The number of a group; -1 leaves it as it is. */
export const gid = new Kind<number>({
  ...id,
  name: "group id",
  label: "gid",
  about: (value) => `gid ${value}`,
});

/** Permissions, and the type of a file: `umode_t`. */
export const mode = new Kind<number>({
  name: "mode",
  label: "mode",
  least: 0,
  most: 0xffff,
  format: { as: "octal" },
});

/** A set of flags of 32 bits. Flags without names are shown as a number. */
export const flags = (
  prefix = "",
  names: Readonly<Record<string, number>> = {},
  field = 0,
): Kind<number> => new Kind<number>({ ...bits32, format: flagsFormat(prefix, names, field) });

/** A set of flags of 64 bits. */
export const longFlags = (prefix: string, names: Readonly<Record<string, number>>): Kind<Word> =>
  new Kind<Word>({
    ...uint64,
    name: "set of flags",
    label: "flags",
    format: flagsFormat(prefix, names),
  });

/** A number that has a name, one of several. */
export const oneOf = (
  prefix: string,
  names: Readonly<Record<string, number>>,
  label: string,
): Kind<number> =>
  new Kind<number>({ ...int32, name: "int", label, format: enumFormat(prefix, names) });

/** Flags of open(2), as in `O`. They are converted to the target's values. */
export const openFlags = new Kind<number>({
  ...bits32,
  format: flagsFormat("O_", O, O.ACCMODE),
  target: {
    to: (abi, value) => abi.openFlagsToTarget(value),
    from: (abi, value) => abi.openFlagsFromTarget(value),
  },
});

/** Flags of clone(2), unshare(2) and setns(2). */
export const cloneFlags = new Kind<number>({
  ...bits32,
  format: flagsFormat("CLONE_", CLONE),
  about: (value) => cloneFlagNames(Number(value)),
});

const address = (direction: Memory["direction"], label: string, content: Content) =>
  new Kind<Address>({
    ...uint64,
    name: "address",
    label,
    format: { as: "address" },
    memory: { direction, content },
  });

/** The address of memory that the kernel reads; NULL if the call allows it. */
export const input = (content: Content, label: string): Kind<Address> =>
  address("in", label, content);
/** The address of memory that the kernel fills in; NULL if the call allows it. */
export const output = (content: Content, label: string): Kind<Address> =>
  address("out", label, content);
/** The address of memory that the kernel reads and overwrites; NULL if the call allows it. */
export const inout = (content: Content, label: string): Kind<Address> =>
  address("inout", label, content);
/** The address of a file name. */
export const path: Kind<Address> = input(fileName, "path");

/** Whether the kernel reads a word as it is meant. */
export const isOf = <T>({ least, most, isLong }: Kind<T>, value: Word | undefined): boolean =>
  typeof value === "number"
    ? value >= least && value <= most && Number.isSafeInteger(value)
    : typeof value === "bigint" &&
      (isLong
        ? BigInt.asUintN(64, value) === value || (least < 0 && BigInt.asIntN(64, value) === value)
        : value >= least && value <= most);

/** Adds flags. A number that is not a set of flags is returned as it is, so that the call refuses it. */
export const withFlags = (given: number, more: number): number =>
  Number.isSafeInteger(given) && given >= INT_MIN && given <= UINT_MAX ? given | more : given;
