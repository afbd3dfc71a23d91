import { fsDecode, fsEncode } from "@rsyscall/abi";

/**
 * The environment of a process, as it was when we got it. Linux knows only bytes: names and values
 * are decoded as `fsDecode` does, so that what is not UTF-8 survives.
 */
export class Environment {
  /** Every string of the environment, in its order, whatever it looks like. */
  readonly strings: ReadonlyArray<Uint8Array>;
  readonly #values = new Map<string, string>();

  constructor(strings: ReadonlyArray<Uint8Array>) {
    this.strings = strings;
    for (const bytes of strings) {
      const text = fsDecode(bytes);
      const equals = text.indexOf("=", 1);
      // As getenv(3): the first of several wins, and a string without "=" is no variable.
      if (equals > 0 && !this.#values.has(text.slice(0, equals)))
        this.#values.set(text.slice(0, equals), text.slice(equals + 1));
    }
  }

  /** From names and values, as `process.env` has them. */
  static fromRecord(variables: Readonly<Record<string, string | undefined>>): Environment {
    return new Environment(
      Object.entries(variables).flatMap(([name, value]) =>
        value === undefined ? [] : [fsEncode(`${name}=${value}`)],
      ),
    );
  }

  /** For a child: what changes in one is not seen in the other. */
  copy(): Environment {
    return new Environment(this.strings);
  }

  /** The strings for a program, with some variables changed. */
  withUpdates(
    updates: ReadonlyMap<string, string | Uint8Array | undefined>,
  ): ReadonlyArray<Uint8Array> {
    if (updates.size === 0) return this.strings;
    const prefixes = [...updates.keys()].map((name) => `${name}=`);
    const kept = this.strings.filter(
      (string) => !prefixes.some((prefix) => fsDecode(string).startsWith(prefix)),
    );
    const added = [...updates].flatMap(([name, value]) =>
      value === undefined
        ? []
        : [fsEncode(`${name}=${typeof value === "string" ? value : fsDecode(value)}`)],
    );
    return [...kept, ...added];
  }

  /** The value of a variable. */
  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** The value of a variable as bytes. */
  getBytes(name: string): Uint8Array | undefined {
    const value = this.#values.get(name);
    return value === undefined ? undefined : fsEncode(value);
  }

  /** Names and values. */
  [Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    return this.#values.entries();
  }

  /** All variables, as `process.env` has them. */
  toRecord(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }
}
