/** How a trace shows a word of a call, in the form of strace(1). */
export type Format =
  | {
      /**
       * `hex` and `octal` have 0x and 0 in front. `fd` is decimal; `directory` a descriptor too, or `AT_FDCWD`.
       * `signal` is a name of `SIG`, `address` hexadecimal or `NULL`, `id` decimal, also when it is -1.
       */
      readonly as:
        | "decimal"
        | "hex"
        | "octal"
        | "fd"
        | "directory"
        | "pid"
        | "id"
        | "signal"
        | "address";
    }
  | NameFormat;

/** A word that has a name (`enum`), or a set of bits that have names (`flags`). */
export interface NameFormat {
  /** Whether a word has one of the names, or any number of them. */
  readonly as: "enum" | "flags";
  /** The prefix of each name in C: `O_`. */
  readonly prefix: string;
  /** Names and their values. If two names have the same value, the first one is shown. */
  readonly names: Readonly<Record<string, number>>;
  /** A field of several bits that holds one of the names, such as O_ACCMODE. Default: none. */
  readonly field?: number;
}

/** A set of flags with names. */
export const flagsFormat = (
  prefix: string,
  names: Readonly<Record<string, number>>,
  field = 0,
): NameFormat => ({ as: "flags", prefix, names, field });

/** One of some names. */
export const enumFormat = (
  prefix: string,
  names: Readonly<Record<string, number>>,
): NameFormat => ({ as: "enum", prefix, names });

/** Returns the C name of a number, or the number itself if it has no name here. */
export const nameOf = (prefix: string, names: Readonly<Record<string, number>>, value: unknown) => {
  const found = Object.keys(names).find((name) => names[name] === value);
  return found === undefined ? String(value) : prefix + found;
};
