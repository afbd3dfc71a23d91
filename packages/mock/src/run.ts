import { fstatSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { TextDecoder, TextEncoder } from "node:util";
import { MockError } from "./errors.ts";
import { commandLine } from "./pattern.ts";
import type { Ran, RunRequest, Stdio } from "./runMessages.ts";

/** How a program under test runs. */
export interface RunOptions {
  /** argv[0], the name that it goes by. Default: the command. */
  readonly argv0?: string;
  /** Its working directory. Default: that of this process. */
  readonly cwd?: string | URL;
  /** Changes to the environment of the mock; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it reads from stdin, text or bytes. Default: nothing. */
  readonly input?: string | Uint8Array;
  /** Its stdin, in place of `input`. */
  readonly stdin?: Stdio;
  /** Where its output goes. Default "pipe": into the result. */
  readonly stdout?: Stdio | "pipe";
  /** The same for stderr. */
  readonly stderr?: Stdio | "pipe";
  /** Milliseconds until it is killed, with all processes of its group. That fails. Default: no limit. */
  readonly timeout?: number;
  /** Kills it, with all processes of its group. That fails with the reason of the signal. */
  readonly signal?: AbortSignal;
  /** Whether it fails if the status is not 0. Default false. */
  readonly check?: boolean;
  /**
   * Whether it is in the session and process group of this process, as a shell runs a program: so that it has the
   * terminal, if this process has one. Default false: it has a session of its own, and no terminal. In the foreground
   * it is killed alone.
   */
  readonly foreground?: boolean;
  /** Gets the program as soon as it runs, to send it signals. */
  readonly onStart?: (program: RunningProgram) => void;
  /** Output as text, or as bytes ("buffer"). Default "utf8". */
  readonly encoding?: "utf8" | "buffer";
}

/** A program under test that runs. */
export interface RunningProgram {
  /** In the pid namespace of this process. */
  readonly pid: number;
  /** Sends a signal to the program itself. Does nothing if it has ended. */
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** Options for output as bytes. */
export interface RunBytesOptions extends RunOptions {
  readonly encoding: "buffer";
}

/** How a program under test has ended. */
export interface RunResult<Output = string> {
  /** What it has written to stdout, if that was a pipe. */
  readonly stdout: Output;
  /** What it has written to stderr, if that was a pipe. */
  readonly stderr: Output;
  /** Its exit status; undefined if a signal has ended it. */
  readonly status: number | undefined;
  /** The signal that has ended it, as in "SIGTERM". */
  readonly signal: string | undefined;
  /** The process id that it had. */
  readonly pid: number;
}

/** Runs a program under test. See `run` of a mock. */
export interface Run {
  (command: string, options: RunBytesOptions): Promise<RunResult<Uint8Array>>;
  (command: string, options?: RunOptions): Promise<RunResult>;
  (
    command: string,
    args: ReadonlyArray<string>,
    options: RunBytesOptions,
  ): Promise<RunResult<Uint8Array>>;
  (command: string, args: ReadonlyArray<string>, options?: RunOptions): Promise<RunResult>;
}

/** Runs a command line of a shell. See `shell` of a mock. */
export interface RunShell {
  (script: string, options: RunBytesOptions): Promise<RunResult<Uint8Array>>;
  (script: string, options?: RunOptions): Promise<RunResult>;
}

/** The kinds of each option. */
const isText = (value: unknown): boolean => typeof value === "string";
const isStdio =
  (...words: ReadonlyArray<string>) =>
  (value: unknown): boolean =>
    words.includes(value as string) || (Number.isInteger(value) && (value as number) >= 0);
const OPTIONS: Record<keyof RunOptions, [isRight: (value: unknown) => boolean, what: string]> = {
  argv0: [isText, "text"],
  cwd: [(value) => isText(value) || value instanceof URL, "a path"],
  env: [(value) => typeof value === "object", "names with their values"],
  input: [(value) => isText(value) || value instanceof Uint8Array, "text or bytes"],
  stdin: [
    isStdio("inherit", "ignore"),
    '"inherit", "ignore" or a descriptor; text and bytes are the input',
  ],
  stdout: [isStdio("pipe", "inherit", "ignore"), '"pipe", "inherit", "ignore" or a descriptor'],
  stderr: [isStdio("pipe", "inherit", "ignore"), '"pipe", "inherit", "ignore" or a descriptor'],
  timeout: [(value) => typeof value === "number" && value >= 0, "milliseconds from 0 on"],
  signal: [(value) => value instanceof AbortSignal, "an AbortSignal"],
  check: [(value) => typeof value === "boolean", "true or false"],
  foreground: [(value) => typeof value === "boolean", "true or false"],
  onStart: [(value) => typeof value === "function", "a function"],
  encoding: [(value) => value === "utf8" || value === "buffer", '"utf8" or "buffer"'],
};

/** Text of an output that messages show at most: its end. */
const SHOWN = 2000;

const refuse = (what: string, problem: string): never => {
  throw new MockError([`${what}: ${problem}`]);
};

/** Options, if their names and kinds are right. */
export const runOptionsOf = (what: string, options: unknown = {}): RunOptions => {
  if (typeof options !== "object" || options === null)
    return refuse(what, `${String(options)} are no options: arguments are a list`);
  for (const [name, value] of Object.entries(options)) {
    const known = OPTIONS[name as keyof RunOptions];
    if (known === undefined)
      return refuse(
        what,
        `there is no option ${name}: there are ${Object.keys(OPTIONS).join(", ")}`,
      );
    const [isRight, wanted] = known;
    if (value !== undefined && !isRight(value)) refuse(what, `${name} must be ${wanted}`);
  }
  return options;
};

/** The request for a program, if all is right with it. */
export const requestOf = (
  what: string,
  command: string,
  args: ReadonlyArray<string>,
  options: RunOptions,
  env: Readonly<Record<string, string>>,
  places: ReadonlyArray<string>,
): RunRequest => {
  const { argv0 = command } = options;
  for (const [i, word] of [command, ...args, argv0].entries())
    if (!isText(word) || word.includes("\0"))
      refuse(what, `${i === 0 ? "the command" : `argument ${i}`} is no text without NUL`);
  if (command === "") refuse(what, "the command is empty");
  if (args.length === 0 && /\s/.test(command) && !command.includes("/")) {
    const [program, ...rest] = command.trim().split(/\s+/);
    refuse(
      what,
      `${JSON.stringify(command)} is no name of a program: give the arguments apart, as in ` +
        `m.run(${JSON.stringify(program)}, ${JSON.stringify(rest)}), or let a shell run it: m.shell(${JSON.stringify(command)})`,
    );
  }
  const { cwd = ".", input = "", stdin, stdout = "pipe", stderr = "pipe" } = options;
  const { timeout, foreground = false } = options;
  if (options.input !== undefined && stdin !== undefined)
    refuse(what, "give input or stdin, and not both");
  for (const [name, fd] of Object.entries({ stdin, stdout, stderr }))
    if (typeof fd === "number" && !isOpen(fd))
      refuse(what, `${name} is descriptor ${fd}, which is not open`);
  const variables = Object.entries({ ...env, ...options.env }).filter(
    (variable): variable is [string, string] => variable[1] !== undefined,
  );
  for (const [name, value] of variables)
    if (!isText(value) || /[=\0]/.test(name) || name === "" || value.includes("\0"))
      refuse(what, `the variable ${JSON.stringify(name)} of the environment is not text`);
  return {
    command,
    args,
    argv0,
    cwd: resolve(cwd instanceof URL ? fileURLToPath(cwd) : cwd),
    env: Object.fromEntries(variables),
    stdin: stdin ?? (input.length === 0 ? "ignore" : bytesOf(input)),
    stdout,
    stderr,
    timeout,
    foreground,
    places,
  };
};

const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? new TextEncoder().encode(text) : text;

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

/** What the caller gets for a program that has ended. */
export const resultOf = (
  what: string,
  { command, args, timeout }: RunRequest,
  { check = false, encoding = "utf8" }: RunOptions,
  { pid, status, signal, stdout, stderr, isLate }: Ran,
): RunResult<string | Uint8Array> => {
  const line = commandLine([command, ...args]);
  if (isLate)
    throw new MockError(
      [
        `${what}: ${line} did not end within ${timeout} ms, and was killed with all processes of its group`,
      ],
      shownOutput(stdout, stderr),
    );
  if (check && status !== 0)
    throw new MockError(
      [
        `${what}: ${line} ${signal === undefined ? `ended with status ${status}` : `was killed by ${signal}`}`,
      ],
      shownOutput(stdout, stderr),
    );
  const output = (bytes: Uint8Array) =>
    encoding === "buffer" ? bytes : new TextDecoder().decode(bytes);
  return { stdout: output(stdout), stderr: output(stderr), status, signal, pid };
};

const shownOutput = (stdout: Uint8Array, stderr: Uint8Array): string =>
  Object.entries({ stdout, stderr })
    .filter(([, bytes]) => bytes.length > 0)
    .map(([name, bytes]) => {
      const text = new TextDecoder().decode(bytes).trimEnd();
      return `${name}: ${text.length > SHOWN ? `... ${text.slice(-SHOWN)}` : text}`;
    })
    .join("\n");
