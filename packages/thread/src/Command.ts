import { fsDecode } from "@rsyscall/abi";
import { oneLine, Path, type PathLike, printable } from "@rsyscall/near";

/** Characters of a command in a message. */
const SHOWN = 1000;

/** What stands for the value of a variable. */
const HIDDEN = "...";

/** Variables to set, or to remove where they are undefined. */
export type EnvironmentUpdates = ReadonlyMap<string, string | Uint8Array | undefined>;

/**
 * A program with its arguments, and what changes for it in the environment. Immutable: every method
 * gives a new command. Nothing is checked before it is executed; a NUL in it is EINVAL then.
 *
 * @example
 * ```ts
 * import { Command } from "@rsyscall/thread";
 *
 * const list = Command.make("/bin/ls", "-l").env({ LC_ALL: "C" }).args("a file");
 * console.log(list.toShell()); // env LC_ALL=C /bin/ls -l 'a file'
 * ```
 */
export class Command {
  readonly executable: Path;
  /** The name by which the program is called, and its arguments. */
  readonly argv: ReadonlyArray<string | Uint8Array>;
  readonly envUpdates: EnvironmentUpdates;

  private constructor(
    executable: Path,
    argv: ReadonlyArray<string | Uint8Array>,
    envUpdates: EnvironmentUpdates,
  ) {
    this.executable = executable;
    this.argv = argv;
    this.envUpdates = envUpdates;
  }

  /** A program by its path, called by its path. */
  static make(path: PathLike, ...args: ReadonlyArray<string | Uint8Array>): Command {
    const executable = Path.make(path);
    return new Command(executable, [executable.text, ...args], new Map());
  }

  /** With more arguments. */
  args(...args: ReadonlyArray<string | Uint8Array>): Command {
    return new Command(this.executable, [...this.argv, ...args], this.envUpdates);
  }

  /** Called by another name. */
  argv0(name: string | Uint8Array): Command {
    return new Command(this.executable, [name, ...this.argv.slice(1)], this.envUpdates);
  }

  /** With other variables; those that are undefined are removed. */
  env(variables: Readonly<Record<string, string | Uint8Array | undefined>>): Command {
    const updates = new Map([...this.envUpdates, ...Object.entries(variables)]);
    return new Command(this.executable, this.argv, updates);
  }

  /** The same by the shell, which reads the file as a script. The name in argv[0] is lost. */
  byShell(): Command {
    const argv = [SH, pathWord(this.executable), ...this.argv.slice(1)];
    return new Command(Path.make(SH), argv, this.envUpdates);
  }

  /**
   * As a POSIX shell would take it. The name by which the program is called has no place there: the
   * shell gives the path. Text that is not UTF-8 is decoded as by `fsDecode`. What execve(2) would
   * refuse, such as a NUL, has no meaning to a shell either.
   */
  toShell(): string {
    const path = pathWord(this.executable);
    const words = [path, ...this.argv.slice(1)].map(quote).join(" ");
    if (this.envUpdates.size === 0) return words;
    const updates = [...this.envUpdates];
    const removed = updates.flatMap(([name, value]) => (value === undefined ? [name] : []));
    const set = updates.flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${typeof value === "string" ? value : fsDecode(value)}`],
    );
    const env = ["env", ...removed.flatMap((name) => ["-u", name])];
    // What begins like an option is none, and a path that looks like an assignment is the program.
    if (set.some((assignment) => assignment.startsWith("-"))) env.push("--");
    env.push(...set, ...(path.includes("=") ? ["nice", "-n", "0"] : []));
    return `${env.map(quote).join(" ")} ${words}`;
  }

  /**
   * As `toShell`, for messages: escaped, cut where it is long, and without the values of the environment,
   * which others may not read.
   */
  toString(): string {
    const hidden = [...this.envUpdates].map(
      ([name, value]) => [name, value === undefined ? value : HIDDEN] as const,
    );
    const shown = new Command(this.executable, this.argv, new Map(hidden));
    return printable(shown.toShell(), SHOWN);
  }
}

oneLine(Command);
const SH = "/bin/sh";

/** A path as a shell takes it. Without a slash, it would look in PATH, or take it for an option. */
const pathWord = ({ text }: Path): string =>
  text === "" || text.includes("/") ? text : `./${text}`;

/** A word of the shell. In single quotes everything is as it is, but for the quote itself. */
const quote = (word: string | Uint8Array): string => {
  const text = typeof word === "string" ? word : fsDecode(word);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
};
