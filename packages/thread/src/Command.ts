import { fsDecode } from "@rsyscall/abi";
import { Path, type PathLike } from "@rsyscall/near";

/**
 * A program with its arguments, and what changes for it in the environment. Immutable: every method
 * gives a new command. Nothing is checked before it is executed.
 */
export class Command {
  readonly executable: Path;
  /** The name by which the program is called, and its arguments. */
  readonly argv: ReadonlyArray<string | Uint8Array>;
  /** Variables that are set, or removed where they are undefined. */
  readonly envUpdates: ReadonlyMap<string, string | Uint8Array | undefined>;

  private constructor(
    executable: Path,
    argv: ReadonlyArray<string | Uint8Array>,
    envUpdates: ReadonlyMap<string, string | Uint8Array | undefined>,
  ) {
    this.executable = executable;
    this.argv = argv;
    this.envUpdates = envUpdates;
  }

  static make(path: PathLike, ...args: ReadonlyArray<string | Uint8Array>): Command {
    const executable = Path.make(path);
    return new Command(executable, [executable.text, ...args], new Map());
  }

  args(...args: ReadonlyArray<string | Uint8Array>): Command {
    return new Command(this.executable, [...this.argv, ...args], this.envUpdates);
  }

  argv0(name: string | Uint8Array): Command {
    return new Command(this.executable, [name, ...this.argv.slice(1)], this.envUpdates);
  }

  toShell(): string {
    return this.argv
      .map((arg) => {
        const text = typeof arg === "string" ? arg : fsDecode(arg);
        return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
      })
      .join(" ");
  }
}
