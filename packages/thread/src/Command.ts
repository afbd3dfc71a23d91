import { fsDecode } from "@rsyscall/abi";
import { oneLine, Path, type PathLike, printable } from "@rsyscall/near";

/** Characters of a command in a message. */
const SHOWN = 1000;

/** Stands for the value of a variable in a message. */
const HIDDEN = "...";

/** Variables to set, or to remove where they are undefined. */
export type EnvironmentUpdates = ReadonlyMap<string, string | Uint8Array | undefined>;

type CommandFields = Pick<Command, "executable" | "argv" | "envUpdates" | "ignoresEnvironment">;

/**
 * A program with its arguments, and its changes to the environment. Immutable: every method returns a new
 * command. Nothing is checked before the command is executed; a NUL in it is EINVAL then.
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
  /** The path of the program. */
  readonly executable: Path;
  /** The name by which the program is called, and its arguments. */
  readonly argv: ReadonlyArray<string | Uint8Array>;
  /** Changes to the environment of the process that starts it; undefined removes a variable. */
  readonly envUpdates: EnvironmentUpdates;
  /** Whether the program gets no other variables than those that `envUpdates` sets. */
  readonly ignoresEnvironment: boolean;

  private constructor(fields: CommandFields) {
    this.executable = fields.executable;
    this.argv = fields.argv;
    this.envUpdates = fields.envUpdates;
    this.ignoresEnvironment = fields.ignoresEnvironment;
  }

  #with(changes: Partial<CommandFields>): Command {
    return new Command({ ...this, ...changes });
  }

  /** Makes a command of the program at a path, which is also its argv[0]. */
  static make(path: PathLike, ...args: ReadonlyArray<string | Uint8Array>): Command {
    const executable = Path.make(path);
    return new Command({
      executable,
      argv: [executable.text, ...args],
      envUpdates: new Map(),
      ignoresEnvironment: false,
    });
  }

  /** Adds arguments. */
  args(...args: ReadonlyArray<string | Uint8Array>): Command {
    return this.#with({ argv: [...this.argv, ...args] });
  }

  /** Sets argv[0], the name by which the program is called. */
  argv0(name: string | Uint8Array): Command {
    return this.#with({ argv: [name, ...this.argv.slice(1)] });
  }

  /** Sets variables; removes those that are undefined. */
  env(variables: Readonly<Record<string, string | Uint8Array | undefined>>): Command {
    return this.#with({ envUpdates: new Map([...this.envUpdates, ...Object.entries(variables)]) });
  }

  /**
   * As `env -i`: the program gets no variables but those that `env` has set, or sets on the command that is returned.
   * Without PATH, a program may find no others.
   */
  emptyEnv(): Command {
    return this.#with({ ignoresEnvironment: true });
  }

  /** The same command run by the shell, which reads the file as a script. argv[0] is lost. */
  byShell(): Command {
    const argv = [SH, pathWord(this.executable), ...this.argv.slice(1)];
    return this.#with({ executable: Path.make(SH), argv });
  }

  /**
   * The command in the syntax of a POSIX shell. argv[0] is lost: the shell passes the path instead. Text that is
   * not UTF-8 is decoded as by `fsDecode`. An argument that execve(2) would refuse, such as one with a NUL, has
   * no meaning to a shell either.
   */
  toShell(): string {
    const path = pathWord(this.executable);
    const words = [path, ...this.argv.slice(1)].map(quote).join(" ");
    if (this.envUpdates.size === 0 && !this.ignoresEnvironment) return words;
    const updates = [...this.envUpdates];
    const removed = updates.flatMap(([name, value]) => (value === undefined ? [name] : []));
    const set = updates.flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${typeof value === "string" ? value : fsDecode(value)}`],
    );
    const env = this.ignoresEnvironment
      ? ["env", "-i"]
      : ["env", ...removed.flatMap((name) => ["-u", name])];
    // An assignment that begins with "-" is not an option, and a path with "=" in it is the program.
    if (set.some((assignment) => assignment.startsWith("-"))) env.push("--");
    env.push(...set, ...(path.includes("=") ? ["nice", "-n", "0"] : []));
    return `${env.map(quote).join(" ")} ${words}`;
  }

  /**
   * As `toShell`, for messages: escaped, cut if it is long, and without the values of the environment, which may
   * be secret.
   */
  toString(): string {
    const hidden = [...this.envUpdates].map(
      ([name, value]) => [name, value === undefined ? value : HIDDEN] as const,
    );
    const shown = this.#with({ envUpdates: new Map(hidden) });
    return printable(shown.toShell(), SHOWN);
  }
}

oneLine(Command);
const SH = "/bin/sh";

/** A path in the syntax of the shell, which would look for one without a slash in PATH, or take it for an option. */
const pathWord = ({ text }: Path): string =>
  text === "" || text.includes("/") ? text : `./${text}`;

/** Quotes a word for the shell. In single quotes every character but the quote stands for itself. */
const quote = (word: string | Uint8Array): string => {
  const text = typeof word === "string" ? word : fsDecode(word);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
};
