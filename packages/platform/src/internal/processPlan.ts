import { cStringBytes, fsDecode, SIG } from "@rsyscall/abi";
import type { Thread } from "@rsyscall/thread";
import { Duration, Effect, Option, PlatformError, Redacted, Sink, Stream } from "effect";
import { ChildProcess, CommandLine } from "effect/process";

/** The name of the service in errors. */
export const MODULE = "ChildProcess";

export type Input = Stream.Stream<Uint8Array, PlatformError.PlatformError>;
export type Output = Sink.Sink<Uint8Array, Uint8Array, never, PlatformError.PlatformError>;

/** What a descriptor of the program is. Without a wire it is inherited from the process that starts it. */
export type Wire =
  | { readonly type: "ignore" | "input" | "output" | "duplex" }
  /** A descriptor that the caller hands over. */
  | { readonly type: "given" }
  /** A duplicate of another descriptor of the program. */
  | { readonly type: "same"; readonly as: number };

/** What is written to a descriptor of the program. */
export interface InputPlan {
  readonly stream: Input | undefined;
  readonly endOnDone: boolean;
  readonly encoding: ChildProcess.Encoding;
}

/** What is read from a descriptor of the program. */
export interface OutputPlan {
  readonly sink: Output | undefined;
}

/** How a process is to be ended: by which signal, and when by force. */
export interface Ending {
  readonly signal: number;
  /** Milliseconds until SIGKILL; undefined for never. */
  readonly forceKillAfter: number | undefined;
}

/** A command that was checked, as arguments for the kernel. */
export interface Plan {
  /** The command in errors; redacted values stay redacted. */
  readonly name: string;
  readonly program: string;
  readonly argv: ReadonlyArray<string>;
  readonly envp: ReadonlyArray<string | Uint8Array>;
  /** Directories that are searched for a program without a slash in its name. */
  readonly path: string | undefined;
  readonly cwd: string | undefined;
  /** Whether it leads a session, and so a process group, of its own. */
  readonly detached: boolean;
  /** Whether it goes on when the process of the Thread dies. */
  readonly outlivesThread: boolean;
  readonly wires: ReadonlyMap<number, Wire>;
  readonly inputs: ReadonlyMap<number, InputPlan>;
  readonly outputs: ReadonlyMap<number, OutputPlan>;
  readonly ending: Ending;
}

export const badArgument = (method: string, description: string): PlatformError.PlatformError =>
  PlatformError.badArgument({ module: MODULE, method, description });

const invalid = (description: string) => Effect.fail(badArgument("spawn", description));

const signalNumbers: ReadonlyMap<string, number> = new Map(
  Object.entries(SIG)
    .filter(([name]) => !name.startsWith("RT"))
    .map(([name, number]) => [`SIG${name}`, number]),
);

/** Checks how a process is to be ended. */
export const endingOf = (
  method: string,
  { killSignal = "SIGTERM", forceKillAfter }: ChildProcess.KillOptions,
): Effect.Effect<Ending, PlatformError.PlatformError> => {
  const signal = signalNumbers.get(killSignal);
  if (signal === undefined)
    return Effect.fail(badArgument(method, `${killSignal} is no signal of this system`));
  if (forceKillAfter === undefined) return Effect.succeed({ signal, forceKillAfter });
  const duration = Duration.fromInput(forceKillAfter);
  return Option.isNone(duration)
    ? Effect.fail(badArgument(method, "forceKillAfter is no duration"))
    : Effect.succeed({ signal, forceKillAfter: Math.max(0, Duration.toMillis(duration.value)) });
};

/** Checks that text has no NUL, at which the kernel would stop. */
const textOf = (
  word: unknown,
  what: string,
): Effect.Effect<string, PlatformError.PlatformError> => {
  const text = Redacted.isRedacted(word) ? Redacted.value(word) : word;
  if (typeof text !== "string") return invalid(`${what} is no text`);
  if (text.includes("\0")) return invalid(`${what} contains a NUL character`);
  return cStringBytes(text) === undefined
    ? invalid(`${what} contains half a character`)
    : Effect.succeed(text);
};

/** `NAME=value` for each variable that is to be set. */
const assignments = (
  env: NonNullable<ChildProcess.CommandOptions["env"]>,
): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  Effect.forEach(
    Object.entries(env).filter(([, value]) => value !== undefined),
    ([name, value]) => {
      const what = `The environment variable ${name}`;
      return Effect.zipWith(
        textOf(name, what),
        textOf(value, what),
        (name, value) => `${name}=${value}`,
      );
    },
  );

const PATH = "PATH=";

/** The environment of the program, and the PATH in it. */
const environmentOf = (
  { environ }: Thread,
  { env, extendEnv = false }: ChildProcess.CommandOptions,
): Effect.Effect<Pick<Plan, "envp" | "path">, PlatformError.PlatformError> => {
  if (env === undefined)
    return Effect.sync(() => ({ envp: environ.strings, path: environ.get("PATH") }));
  return Effect.map(assignments(env), (added) => {
    const isKept = (string: Uint8Array): boolean => {
      const text = fsDecode(string);
      return !Object.hasOwn(env, text.slice(0, text.indexOf("=", 1)));
    };
    const kept = extendEnv ? environ.strings.filter(isKept) : [];
    const own = added.find((string) => string.startsWith(PATH))?.slice(PATH.length);
    const inherits = extendEnv && !Object.hasOwn(env, "PATH");
    return { envp: [...kept, ...added], path: inherits ? environ.get("PATH") : own };
  });
};

/** The program and its arguments. */
const programOf = Effect.fnUntraced(function* ({
  command,
  args,
  options: { shell },
}: ChildProcess.StandardCommand): Effect.fn.Return<
  Pick<Plan, "program" | "argv">,
  PlatformError.PlatformError
> {
  const text = yield* textOf(command, "The command");
  if (shell === undefined || shell === false || shell === "") {
    const words = yield* Effect.forEach(args, (word, i) => textOf(word, `Argument ${i + 1}`));
    return { program: text, argv: [text, ...words] };
  }
  if (args.length > 0)
    return yield* invalid("A shell takes the whole script as the command, without arguments");
  const program = shell === true ? "/bin/sh" : yield* textOf(shell, "The shell");
  return { program, argv: [program, "-c", text] };
});

const isInput = (stdin: unknown): stdin is Input => Stream.isStream(stdin);

/** The wire that a plain word means for stdin, stdout or stderr; undefined for `inherit`. */
const wireOf = (
  word: string,
  piped: "input" | "output",
  what: string,
): Effect.Effect<Wire | undefined, PlatformError.PlatformError> => {
  switch (word) {
    case "pipe":
    // It has a meaning on other systems only.
    case "overlapped":
      return Effect.succeed({ type: piped });
    case "ignore":
      return Effect.succeed({ type: "ignore" });
    case "inherit":
      return Effect.succeed(undefined);
    default:
      return invalid(`${JSON.stringify(word)} is nothing that ${what} can be`);
  }
};

/** Checks a command and fills in its defaults. */
export const planOf = Effect.fnUntraced(function* (
  thread: Thread,
  command: ChildProcess.StandardCommand,
  endsWithThread: boolean,
): Effect.fn.Return<Plan, PlatformError.PlatformError> {
  const { options } = command;
  const { program, argv } = yield* programOf(command);
  const ending = yield* endingOf("spawn", options);
  const { envp, path } = yield* environmentOf(thread, options);
  const wires = new Map<number, Wire>();
  const inputs = new Map<number, InputPlan>();
  const outputs = new Map<number, OutputPlan>();

  const given = options.stdin ?? "pipe";
  const stdin: ChildProcess.StdinConfig =
    typeof given === "string" || isInput(given) ? { stream: given } : given;
  const stream = stdin.stream ?? "pipe";
  const wire = isInput(stream)
    ? ({ type: "input" } as const)
    : yield* wireOf(stream, "input", "stdin");
  if (wire !== undefined) wires.set(0, wire);
  if (wire?.type === "input")
    inputs.set(0, {
      stream: isInput(stream) ? stream : undefined,
      endOnDone: stdin.endOnDone ?? true,
      encoding: stdin.encoding ?? "utf-8",
    });

  for (const [number, what] of [
    [1, "stdout"],
    [2, "stderr"],
  ] as const) {
    const given = options[what] ?? "pipe";
    const config = typeof given === "string" || Sink.isSink(given) ? { stream: given } : given;
    const stream = config.stream ?? "pipe";
    const wire = Sink.isSink(stream)
      ? ({ type: "output" } as const)
      : yield* wireOf(stream, "output", what);
    if (wire !== undefined) wires.set(number, wire);
    if (wire?.type === "output")
      outputs.set(number, { sink: Sink.isSink(stream) ? (stream as Output) : undefined });
  }

  for (const [name, config] of Object.entries(options.additionalFds ?? {})) {
    const number = ChildProcess.parseFdName(name);
    if (number === undefined) continue;
    if (number > LARGEST) return yield* invalid(`${name} is no descriptor`);
    if (!["input", "output", "duplex"].includes(config.type))
      return yield* invalid(`${JSON.stringify(config.type)} is nothing that ${name} can be`);
    wires.set(number, { type: config.type });
    if (config.type !== "output")
      inputs.set(number, { stream: config.stream, endOnDone: true, encoding: "utf-8" });
    if (config.type !== "input") outputs.set(number, { sink: config.sink });
  }

  return {
    name: CommandLine.display([command.command, ...command.args]),
    program,
    argv,
    envp,
    path,
    cwd: options.cwd,
    detached: options.detached ?? true,
    outlivesThread: options.detached ?? !endsWithThread,
    wires,
    inputs,
    outputs,
    ending,
  };
});

/** The largest number that a descriptor can have. */
const LARGEST = 2 ** 31 - 1;

/** Lists the commands of a pipeline in order, with the options by which each is piped into the next. */
export const flatten = (
  command: ChildProcess.Command,
): {
  readonly commands: ReadonlyArray<ChildProcess.StandardCommand>;
  readonly pipes: ReadonlyArray<ChildProcess.PipeOptions>;
} => {
  if (command._tag === "StandardCommand") return { commands: [command], pipes: [] };
  const left = flatten(command.left);
  const right = flatten(command.right);
  return {
    commands: [...left.commands, ...right.commands],
    pipes: [...left.pipes, command.options, ...right.pipes],
  };
};

/** The descriptors of a command from which its output can be read. */
export const sourcesOf = (
  { outputs }: Plan,
  from: ChildProcess.PipeFromOption = "stdout",
): ReadonlyArray<number> => {
  const numbers =
    from === "all" ? [1, 2] : from === "stderr" ? [2] : [ChildProcess.parseFdName(from) ?? 1];
  return numbers.filter((number) => outputs.has(number));
};

/** The descriptor of a command that gets another's output. */
export const targetOf = (to: ChildProcess.PipeToOption = "stdin"): number =>
  ChildProcess.parseFdName(to) ?? 0;

/** Makes a descriptor of the plan one that is written to, whatever it was. */
export const withInput = (plan: Plan, number: number): Plan => {
  const isDuplex = plan.wires.get(number)?.type === "duplex";
  const outputs = new Map(plan.outputs);
  if (!isDuplex) outputs.delete(number);
  const { endOnDone = true, encoding = "utf-8" } = plan.inputs.get(number) ?? {};
  return {
    ...plan,
    outputs,
    wires: new Map(plan.wires).set(number, { type: isDuplex ? "duplex" : "input" }),
    inputs: new Map(plan.inputs).set(number, { stream: undefined, endOnDone, encoding }),
  };
};

/**
 * Whether two commands can have the two ends of one pipe, so that no byte goes through the controller.
 */
export const isDirect = (
  left: Plan,
  sources: ReadonlyArray<number>,
  right: Plan,
  target: number,
): boolean =>
  sources.length > 0 &&
  sources.every(
    (number) =>
      left.wires.get(number)?.type === "output" && left.outputs.get(number)?.sink === undefined,
  ) &&
  right.wires.get(target)?.type === "input" &&
  right.inputs.get(target)?.endOnDone === true;

/** Makes all these descriptors of the plan one, whose other end another program reads. */
export const withShared = (plan: Plan, sources: ReadonlyArray<number>): Plan => {
  const [first = 1, ...rest] = sources;
  const wires = new Map(plan.wires);
  const outputs = new Map(plan.outputs);
  for (const number of rest) wires.set(number, { type: "same", as: first });
  for (const number of sources) outputs.delete(number);
  return { ...plan, wires, outputs };
};

/** Makes a descriptor of the plan one that the caller hands over. */
export const withGiven = (plan: Plan, number: number): Plan => {
  const inputs = new Map(plan.inputs);
  inputs.delete(number);
  return { ...plan, inputs, wires: new Map(plan.wires).set(number, { type: "given" }) };
};
