import { existsSync } from "node:fs";
import {
  addRule,
  type Call,
  type CallPattern,
  type CallRecord,
  findProgram,
  HandlerProgram,
  type Mock,
  MockError,
  type MockOptions,
  mock,
  parseHandler,
  parseRule,
  shownCalls,
} from "@rsyscall/mock";
import { coloured } from "../colours.ts";
import { reportWriter } from "../report.ts";
import { Signals } from "../signals.ts";
import { loadSpec } from "../spec.ts";
import { UsageError } from "../UsageError.ts";

export interface MockCommandOptions {
  readonly on: ReadonlyArray<string>;
  readonly handler: ReadonlyArray<string>;
  readonly handlerLimit: number;
  readonly spec: ReadonlyArray<string>;
  readonly hermetic: boolean;
  readonly denyAroundPath: boolean;
  readonly everything: boolean;
  readonly allow: ReadonlyArray<string>;
  readonly strict: boolean;
  readonly record: string | undefined;
  readonly replay: string | undefined;
  readonly programs: ReadonlyArray<string>;
  readonly log: string | undefined;
  readonly report: ReadonlyArray<string>;
  readonly command: ReadonlyArray<string>;
}

export const run = async (options: MockCommandOptions): Promise<number> => {
  const { command, strict, log, handlerLimit } = options;
  const rules = inGivenOrder(options);
  const reports = options.report.map(reportWriter);
  const specs = await Promise.all(options.spec.map(loadSpec));
  /** Each command is started once, also for several patterns. */
  const handlers = new Map<string, HandlerProgram>();
  const time = new Date();
  const start = performance.now();

  const signals = new Signals();
  const m = await opened({
    ...pathOptions(options, rules),
    ...cassetteOptions(options),
    ...(log === undefined ? {} : { log }),
    // A handler has this limit for its answer, for the caller's stdin, and again for its answer.
    deadline: handlerLimit * (options.handler.length === 0 ? 1 : 4),
  });
  try {
    for (const rule of rules) {
      if ("handler" in rule) {
        const handler =
          handlers.get(rule.handler) ?? new HandlerProgram(rule.handler, { limit: handlerLimit });
        handlers.set(rule.handler, handler);
        addHandler(m, rule.pattern, handler);
      } else
        addRule(m, strict && rule.times === undefined ? { ...rule, times: [1, Infinity] } : rule);
    }
    for (const spec of specs) await spec(m);

    const status = await runCommand(m, signals, command);
    if (options.hermetic)
      for (const warning of m.warnings) process.stderr.write(`rsyscall mock: ${warning}\n`);
    await m.close({ verify: false });
    const { calls } = m;
    const problems = m.problems.map(inOptions);
    for (const write of reports)
      write({
        command,
        status,
        time,
        duration: performance.now() - start,
        rules: m.rules,
        calls,
        problems,
      });
    if (problems.length === 0) return status;
    tell(problems, calls);
    return status === 0 ? 1 : status;
  } finally {
    await m.close({ verify: false });
    await Promise.all([...handlers.values()].map((handler) => handler.close()));
  }
};

/** A mock. That its options cannot be is wrong usage. */
const opened = async (options: MockOptions): Promise<Mock> => {
  try {
    return await mock(options);
  } catch (error) {
    throw error instanceof MockError ? new UsageError(inOptions(error.message)) : error;
  }
};

/** A message with the options of the command line in place of those of the function. */
const inOptions = (message: string): string =>
  message.replaceAll(/with mode "(?:once" or "all|all)"/g, "with --record");

const listOf = (lists: ReadonlyArray<string>): ReadonlyArray<string> =>
  lists.flatMap((names) => names.split(",")).filter((name) => name !== "");

const cassetteOptions = ({ record, replay, programs }: MockCommandOptions) => {
  if (record !== undefined && replay !== undefined)
    throw new UsageError("--record and --replay exclude each other: give one of them");
  if (record === undefined && programs.length > 0)
    throw new UsageError("--programs is for --record: what is replayed is what the file has");
  if (replay !== undefined && !existsSync(replay))
    throw new UsageError(`--replay: there is no file ${replay}: record it with --record ${replay}`);
  const file = record ?? replay;
  if (file === undefined) return {};
  const mode = record === undefined ? ("none" as const) : ("all" as const);
  return { cassette: { file, mode, programs: listOf(programs) } };
};

const pathOptions = (
  { hermetic, denyAroundPath, everything: isAsked, allow, record, programs }: MockCommandOptions,
  rules: ReadonlyArray<{ readonly pattern: CallPattern }>,
) => {
  // What is to be recorded must come to us, as what a rule for every program is for.
  const needsAll =
    (record !== undefined && programs.length === 0) ||
    rules.some(({ pattern }) => pattern.program === undefined);
  const everything = isAsked || (needsAll && !hermetic);
  if (hermetic && everything)
    throw new UsageError("--hermetic and --everything exclude each other: give one of them");
  if (denyAroundPath && !hermetic)
    throw new UsageError("--deny-around-path is for --hermetic: give both");
  if (!hermetic && !everything) {
    if (allow.length > 0)
      throw new UsageError(
        "--allow is for --hermetic and --everything: without them all programs are allowed that are not mocked",
      );
    return {};
  }
  return {
    path: hermetic ? ("hermetic" as const) : ("everything" as const),
    ...(denyAroundPath ? { aroundPath: "deny" as const } : {}),
    allow: listOf(allow),
  };
};

/** Rules of --on and --handler, in the order in which they were given: the first that fits decides. */
const inGivenOrder = ({ on, handler }: MockCommandOptions) => {
  const given = { on: [...on], handler: [...handler] };
  return process.argv.flatMap((word) => {
    const [, option] = /^--(on|handler)(?:=|$)/.exec(word) ?? [];
    const text = given[option as keyof typeof given]?.shift();
    if (text === undefined) return [];
    return [
      option === "on" ? usage(option, text, parseRule) : usage("handler", text, parseHandler),
    ];
  });
};

/** What a text means. That it means nothing is wrong usage. */
const usage = <A>(option: string, text: string, read: (text: string) => A): A => {
  try {
    return read(text);
  } catch (error) {
    throw new UsageError(`--${option} ${(error as Error).message}`);
  }
};

/** Has a program answer the calls that a pattern means. */
const addHandler = (m: Mock, { program, args }: CallPattern, handler: HandlerProgram): void => {
  const answer = (call: Call) => handler.handle(call);
  if (program === undefined) m.otherwise(answer);
  else m.program(program)(...args).reply(answer);
};

/** Runs the command with the mocks, and gives its exit status. */
const runCommand = async (
  m: Mock,
  signals: Signals,
  [name = "", ...args]: ReadonlyArray<string>,
): Promise<number> => {
  try {
    return await signals.run((onStart) =>
      m.run(pathOf(m, name), args, {
        ...{ stdin: "inherit", stdout: "inherit", stderr: "inherit" },
        foreground: true,
        argv0: name,
        onStart,
      }),
    );
  } catch (error) {
    // As a shell says it, which has these statuses for a command that cannot run.
    if (!(error instanceof MockError) || error.status === undefined) throw error;
    const problem = error.status === 127 ? "was not found" : "cannot be executed";
    process.stderr.write(`rsyscall mock: ${name} ${problem}\n`);
    return error.status;
  }
};

/** Where the command is. It is the real program, unless a rule is for it: that it runs at all is what was asked for. */
const pathOf = (m: Mock, name: string): string =>
  name.includes("/") || m.rules.some(({ program }) => program === name)
    ? name
    : (findProgram(process.env["PATH"] ?? "", name) ?? name);

/** Says what is wrong. */
const tell = (problems: ReadonlyArray<string>, calls: ReadonlyArray<CallRecord>): void => {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const lines = [coloured(process.stderr, "bold", `rsyscall mock: ${count}`)];
  for (const problem of problems)
    lines.push(`${coloured(process.stderr, "red", "✗")} ${problem.replaceAll("\n", "\n  ")}`);
  lines.push(shownCalls(calls));
  process.stderr.write(`${lines.join("\n")}\n`);
};
