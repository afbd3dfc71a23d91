import { cStringBytes, fsDecode, fsEncode } from "@rsyscall/abi";
import { InvalidArgumentError, oneLine, Path } from "@rsyscall/near";
import { Effect } from "effect";
import { Command, type EnvironmentUpdates } from "./Command.ts";

/**
 * The environment of a process: its initial strings, and the changes since. Programs that are executed later get
 * the changes. Linux knows only bytes: names and values are decoded as `fsDecode` does, so that text that is not
 * UTF-8 survives.
 */
export class Environment {
  #strings: ReadonlyArray<Uint8Array> | (() => ReadonlyArray<Uint8Array>);
  #values: Map<string, string> | undefined;
  #hasChanged = false;

  /** @param strings or a function that returns them, which is called at the first use */
  constructor(strings: ReadonlyArray<Uint8Array> | (() => ReadonlyArray<Uint8Array>)) {
    this.#strings = strings;
  }

  /** Makes an environment of names and values, as `process.env` has them. */
  static fromRecord(variables: Readonly<Record<string, string | undefined>>): Environment {
    return new Environment(
      Object.entries(variables).flatMap(([name, value]) =>
        value === undefined ? [] : [fsEncode(`${name}=${value}`)],
      ),
    );
  }

  /** All strings of the environment in their order, including malformed ones. */
  get strings(): ReadonlyArray<Uint8Array> {
    if (typeof this.#strings === "function") this.#strings = this.#strings();
    return this.#strings;
  }

  /** Whether `set` or `delete` was used since the environment was made. */
  get hasChanged(): boolean {
    return this.#hasChanged;
  }

  /** A copy for another process: a change to one does not change the other. */
  copy(): Environment {
    return new Environment(this.#strings);
  }

  get #variables(): Map<string, string> {
    if (this.#values !== undefined) return this.#values;
    const values = new Map<string, string>();
    for (const bytes of this.strings) {
      const text = fsDecode(bytes);
      const name = nameOf(text);
      // As getenv(3): the first of several wins, and a string without "=" is no variable.
      if (name !== undefined && !values.has(name)) values.set(name, text.slice(name.length + 1));
    }
    this.#values = values;
    return values;
  }

  /** The value of a variable. */
  get(name: string): string | undefined {
    return this.#variables.get(name);
  }

  /** The value of a variable as bytes. */
  getBytes(name: string): Uint8Array | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : fsEncode(value);
  }

  /**
   * setenv(3): InvalidArgumentError for a name that is empty or has "=" in it, and for text that cannot be a C
   * string.
   */
  set(name: string, value: string | Uint8Array): Effect.Effect<void, InvalidArgumentError> {
    return this.#update(new Map([[name, value]]));
  }

  /** unsetenv(3) */
  delete(name: string): Effect.Effect<void, InvalidArgumentError> {
    return this.#update(new Map([[name, undefined]]));
  }

  #update(updates: EnvironmentUpdates): Effect.Effect<void, InvalidArgumentError> {
    return Effect.map(this.withUpdates(updates), (strings) => {
      this.#strings = strings;
      this.#values = undefined;
      this.#hasChanged = true;
    });
  }

  /** The strings with some variables set, or removed where they are undefined. */
  withUpdates(
    updates: EnvironmentUpdates,
  ): Effect.Effect<ReadonlyArray<Uint8Array>, InvalidArgumentError> {
    return Effect.suspend(() => {
      if (updates.size === 0) return Effect.succeed(this.strings);
      const added: Array<Uint8Array> = [];
      for (const [name, value] of updates) {
        const text = typeof value === "object" ? fsDecode(value) : value;
        if (name === "" || name.includes("=") || !isCString(name))
          return invalid("name", name, "at least one character, without = and without a NUL");
        if (!isCString(text ?? "")) return invalid(name, value, "text or bytes without a NUL");
        if (text !== undefined) added.push(fsEncode(`${name}=${text}`));
      }
      const kept = this.strings.filter((string) => {
        const name = nameOf(fsDecode(string));
        return name === undefined || !updates.has(name);
      });
      return Effect.succeed([...kept, ...added]);
    });
  }

  /** The strings of a program: these with the changes of its command, or those of its command alone. */
  stringsFor({
    envUpdates,
    ignoresEnvironment,
  }: Command): Effect.Effect<ReadonlyArray<Uint8Array>, InvalidArgumentError> {
    return (ignoresEnvironment ? new Environment([]) : this).withUpdates(envUpdates);
  }

  /** The directory for temporary files: TMPDIR, or /tmp. */
  get tmpdir(): Path {
    return Path.make(this.get("TMPDIR") || "/tmp");
  }

  /** The shell, at the path that every POSIX system has. */
  get sh(): Command {
    return Command.make("/bin/sh").argv0("sh");
  }

  /** Names and values. */
  [Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    return this.#variables.entries();
  }

  /** All variables, as `process.env` has them. */
  toRecord(): Record<string, string> {
    return Object.fromEntries(this.#variables);
  }
}

const invalid = (argument: string, value: unknown, expected: string) =>
  Effect.fail(new InvalidArgumentError({ syscall: "setenv", argument, value, expected }));

oneLine(Environment, ({ strings }) => `${strings.length} variables`);

/** The name may begin with "=", as some systems have it. */
const nameOf = (string: string): string | undefined => {
  const equals = string.indexOf("=", 1);
  return equals > 0 ? string.slice(0, equals) : undefined;
};

/** Whether text can be a C string: it has no NUL, and no half of a character unless it stands for a byte. */
export const isCString = (text: string): boolean => cStringBytes(text) !== undefined;
