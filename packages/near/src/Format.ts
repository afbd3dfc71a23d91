/** How a word of a call is shown to people, as strace(1) shows it. */
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

/** A word that has a name (`enum`), or that is a set of bits with names (`flags`). */
export interface NameFormat {
  readonly as: "enum" | "flags";
  /** What C has in front of each name: `O_`. */
  readonly prefix: string;
  /** Names and their values. Of two names of one value, the first one is shown. */
  readonly names: Readonly<Record<string, number>>;
  /** Bits of a set of flags that together hold one of the names, as O_ACCMODE. Default: none. */
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

/** The name of one of some numbers, as C has it; the number, if it has none here. */
export const nameOf = (prefix: string, names: Readonly<Record<string, number>>, value: unknown) => {
  const found = Object.keys(names).find((name) => names[name] === value);
  return found === undefined ? String(value) : prefix + found;
};
