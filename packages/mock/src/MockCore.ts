import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, URL } from "node:url";
import { isRegExp } from "node:util/types";
import type { HandedOver } from "@rsyscall/stub-server";
import type { CallHandler } from "./Call.ts";
import type { Closures } from "./closures.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { type EngineThread, engineThread } from "./engineThread.ts";
import { MockError } from "./errors.ts";
import { warningsOf } from "./hints.ts";
import { type AroundPath, CLAIM, claims, type FromEngine, withEnv } from "./messages.ts";
import { makeMockDirectory } from "./mockDirectory.ts";
import { nodeProcess, nodeRequire } from "./nodeRealm.ts";
import { checkNames } from "./options.ts";
import { Program } from "./Program.ts";
import {
  type ArgumentPattern,
  type ArgumentTest,
  shownCommand,
  type TextPattern,
  type TextTest,
} from "./pattern.ts";
import { type Place, placeHere, showAt } from "./place.ts";
import { placeOf } from "./places.ts";
import { predicateFailure } from "./predicateFailure.ts";
import { Rule } from "./Rule.ts";
import type { CallRecord } from "./record.ts";
import type { ReplyData, RuleData } from "./reply.ts";
import { type Reply, replyDataOf } from "./replyData.ts";
import {
  comparison,
  type Problem,
  problemsOf,
  type RuleReport,
  ruleReports,
  shownCall,
  shownCalls,
} from "./report.ts";
import { type RunOptions, type RunResult, requestOf, resultOf, runOptionsOf } from "./run.ts";
import type { NotRun, Ran } from "./runMessages.ts";
import { type CassetteOptions, Tape } from "./Tape.ts";
import { clearTimeout, setTimeout } from "./timers.ts";

/** What rules need of their mock. @internal */
export interface RuleOwner {
  readonly send: (rule: RuleData) => void;
  readonly test: (pattern: TextPattern) => TextTest;
  readonly replyData: (reply: Reply | CallHandler) => ReplyData;
}

/** Options of a mock. */
export interface MockOptions {
  /**
   * The PATH of programs under test.
   *
   * - `prepend`: the mocks come first, and all else is as it was. Default.
   * - `everything`: the same, and each name that PATH has leads to the mock: what no rule is for is an error, or what
   *   `otherwise` of the mock says.
   * - `hermetic`: the same, and PATH has nothing but the mock.
   */
  readonly path?: "prepend" | "everything" | "hermetic";
  /**
   * With `everything` and `hermetic`: names that are the real programs. With `hermetic` also what may be called by its
   * path: a path, or a directory with a slash at its end for all that is below.
   */
  readonly allow?: ReadonlyArray<string>;
  /**
   * With `hermetic`: what becomes of a program that `run` or `shell` runs, or that is called from there, by a path that
   * leads to no mock and is not allowed. `name`: it runs, and the test fails. `deny`: it gets EACCES as well. Default
   * `name`. docs/mock/hermetic.md says how that works, and what it changes for the programs.
   */
  readonly aroundPath?: AroundPath;
  /** Records calls for which no rule is, or answers them by what was recorded. See {@link CassetteOptions}. */
  readonly cassette?: CassetteOptions;
  /** The environment of programs under test. Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether PATH of this process is changed too, until the mock closes. Default false. */
  readonly changePath?: boolean;
  /** How long a function or module may take for its reply, in milliseconds. Default 20000. */
  readonly deadline?: number;
  /** How long the thread of the test may be blocked while a function of the test must answer, in milliseconds. Default 5000. */
  readonly blockedLimit?: number;
  /**
   * A file that gets a line of JSON for each call, before it is answered, and one when it has ended: so that other
   * processes see the calls while they come. What was in it is removed. docs/command-line.md has the fields.
   */
  readonly log?: string;
}

const CLOSED = "The mock was closed: make another one.";

/** Bytes that the name of a file can have. */
const NAME_MAX = 255;

/** How long to wait for a call, by default. Shorter than the limits of test runners, so that its message is seen. */
const NEXT_LIMIT = 4000;

/** A directory of mocked programs, and what they say. See {@link mock}. */
export class MockCore implements RuleOwner {
  readonly #engine: EngineThread;
  readonly #mock: number;
  readonly #options: MockOptions;
  readonly #programs = new Map<string, Program>();
  readonly #rules = new Map<number, Rule>();
  readonly #records: Array<CallRecord> = [];
  readonly #handlers: Array<CallHandler> = [];
  #closures: Promise<Closures> | undefined;
  readonly #predicates: Array<(text: string) => boolean> = [];
  readonly #watchers = new Set<() => void>();
  readonly #tape: Tape | undefined;
  readonly #places = new Set<string>();
  readonly #runs = new Map<number, Run>();
  readonly #stubs = new Map<number, Deferred<ReadonlyMap<string, string> | NotRun>>();
  /** Why calls around the mock were not seen. */
  readonly #unseen = new Set<string>();
  readonly #opened = deferred<void>();
  readonly #closed = deferred<void>();
  #state: "open" | "closing" | "closed" = "open";
  #lastRule = 0;
  #lastGroup = 0;
  #lastRun = 0;
  #formerPath: string | undefined;
  readonly #makingPlace: Place = placeHere();
  /** What handlers have thrown. */
  readonly #failures = new Map<CallRecord, unknown>();
  /** What predicates have thrown, by what the problems of their calls say. */
  readonly #thrown = new Map<string, unknown>();
  /** What an error was thrown for. */
  readonly #told = new Set<Problem["of"]>();
  /** Where the names are. */
  readonly directory: string;

  constructor(options: MockOptions) {
    checkOptions(options);
    this.#tape = options.cassette && new Tape(options.cassette);
    if (options.log !== undefined) beginLog(options.log);
    this.#engine = engineThread();
    this.#options = options;
    this.directory = makeMockDirectory();
    this.#opened.promise.catch(() => {});
    this.#closed.promise.catch(() => {});
    this.#mock = this.#engine.register({
      hear: (message) => this.#hear(message),
      fail: (error) => this.#fail(error),
    });
    if (this.#mode !== "prepend") this.#engine.mayKeepNames();
    this.#engine.post({
      type: "open",
      mock: this.#mock,
      options: {
        directory: this.directory,
        everything: this.#mode !== "prepend",
        allow: (options.allow ?? []).map((name) =>
          name.includes("/") ? join(resolve(name), name.endsWith("/") ? "/" : "") : name,
        ),
        aroundPath: this.#mode === "hermetic" ? (options.aroundPath ?? "name") : undefined,
        searchPath: this.#searchPath,
        deadline: this.#deadline,
        blockedLimit: options.blockedLimit ?? 5000,
        cassette: this.#tape?.data((compare) => this.#predicate(compare)),
        log: options.log === undefined ? undefined : resolve(options.log),
      },
    });
    if (openMocks.size === 0) nodeProcess.on("exit", removeAll);
    openMocks.add(this);
  }

  get #mode(): "prepend" | "everything" | "hermetic" {
    return this.#options.path ?? "prepend";
  }

  get #deadline(): number {
    return this.#options.deadline ?? 20_000;
  }

  /** PATH without the mock. */
  get #searchPath(): string {
    return this.#formerPath ?? (this.#options.env ?? process.env)["PATH"] ?? "";
  }

  /** Until programs can call. */
  async open(): Promise<void> {
    try {
      await this.#engine.during(this.#opened.promise);
    } catch (error) {
      this.#end();
      throw error;
    }
    for (const name of this.#tape?.programs ?? []) this.program(name);
    if (this.#options.changePath === true) {
      this.#formerPath = process.env.PATH;
      setPath(this.path);
    }
  }

  /** A program by its name, or by its path. */
  program(nameOrPath: string): Program {
    const isPath = nameOrPath.includes("/");
    const name = isPath ? placeOf(nameOrPath) : nameOrPath;
    let program = this.#programs.get(name);
    if (program === undefined) {
      if (this.#state !== "open") throw new MockError([CLOSED]);
      if (isPath) this.#places.add(name);
      else this.#place(name);
      program = new Program(this, name);
      this.#programs.set(name, program);
    }
    return program;
  }

  #place(name: string): void {
    if (name === "" || name === "." || name === ".." || name.includes("\0"))
      throw new MockError([`${JSON.stringify(name)} is no name of a program`]);
    if (Buffer.byteLength(name) > NAME_MAX)
      throw new MockError([
        `${shownCommand([name])} is no name of a program: it has more than ${NAME_MAX} bytes`,
      ]);
    const link = join(this.directory, "bin", name);
    // It may be there as one of all names, or as the real program.
    rmSync(link, { force: true });
    symlinkSync("../stub", link);
  }

  rule(
    program: string | undefined,
    args: ReadonlyArray<ArgumentPattern>,
    isOtherwise = false,
  ): Rule {
    const rule = new Rule(
      this,
      ++this.#lastRule,
      program,
      args.map((arg) => this.#argument(arg)),
      isOtherwise,
    );
    this.#rules.set(rule.data.id, rule);
    return rule;
  }

  inOrder(rules: ReadonlyArray<Rule>): void {
    const group = ++this.#lastGroup;
    for (const rule of rules) rule.inGroup(group);
  }

  send(rule: RuleData): void {
    if (this.#state !== "open") throw new MockError([CLOSED]);
    this.#engine.post({ type: "rule", mock: this.#mock, rule });
  }

  test(pattern: TextPattern): TextTest {
    if (typeof pattern === "string" || isRegExp(pattern)) return pattern;
    if (typeof pattern !== "function")
      throw new MockError([
        `${String(pattern)} is no pattern: give text, a regular expression or a function`,
      ]);
    return { pattern: "predicate", id: this.#predicate(pattern) };
  }

  #predicate(test: (text: string) => boolean): number {
    this.#predicates.push(test);
    return this.#predicates.length - 1;
  }

  #argument(pattern: ArgumentPattern): ArgumentTest {
    return typeof pattern === "object" && pattern !== null && "pattern" in pattern
      ? { ...pattern }
      : this.test(pattern);
  }

  replyData(reply: Reply | CallHandler): ReplyData {
    if (typeof reply !== "function" || "reply" in reply) return replyDataOf(reply as Reply);
    // It is there when the first call comes.
    this.#closures ??= loadClosures();
    this.#handlers.push(reply as CallHandler);
    return { reply: "closure", id: this.#handlers.length - 1 };
  }

  /** PATH for programs under test. */
  get path(): string {
    const before = this.#mode === "hermetic" ? "" : this.#searchPath;
    return [join(this.directory, "bin"), ...(before === "" ? [] : [before])].join(":");
  }

  /** The environment for programs under test. */
  get env(): Record<string, string> {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries({
      ...(this.#options.env ?? process.env),
      PATH: this.path,
    }))
      if (value !== undefined) env[name] = value;
    return env;
  }

  /** All calls until now. */
  get records(): ReadonlyArray<CallRecord> {
    this.#engine.drain();
    return this.#records;
  }

  /** The first call from a number on that is wanted. */
  async next(
    isWanted: (record: CallRecord) => boolean,
    what: string,
    timeout: number = NEXT_LIMIT,
    signal?: AbortSignal,
  ): Promise<CallRecord> {
    const place = placeHere();
    let from = this.records.length;
    const { promise, resolve, reject } = deferred<CallRecord>();
    const look = () => {
      for (; from < this.#records.length; from++) {
        const record = this.#records[from] as CallRecord;
        if (isWanted(record)) resolve(record);
      }
      if (this.#state === "closed")
        reject(new MockError([`${what} was not called before the mock closed`]));
    };
    const timer = setTimeout(
      () =>
        reject(
          new MockError([
            `${what} was not called within ${timeout} ms; ${shownCalls(this.records)}`,
          ]),
        ),
      timeout,
    );
    const abort = () => reject(new MockError([`the wait for ${what} was aborted`]));
    signal?.addEventListener("abort", abort);
    this.#watchers.add(look);
    try {
      return await this.#engine.duringCalls(promise);
    } catch (error) {
      showAt(error as Error, place);
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  /** Runs a program under test. */
  async run(
    what: "m.run" | "m.shell",
    command: string,
    args: ReadonlyArray<string>,
    given: unknown,
  ): Promise<RunResult<string | Uint8Array>> {
    if (this.#state !== "open") throw new MockError([CLOSED]);
    const options = runOptionsOf(what, given);
    const request = requestOf(what, command, args, options, this.env, [...this.#places]);
    const { signal } = options;
    signal?.throwIfAborted();
    const run = ++this.#lastRun;
    const ended = deferred<Ran | NotRun>();
    this.#runs.set(run, { ended, onStart: options.onStart });
    const end = () => this.#engine.post({ type: "endRun", mock: this.#mock, run });
    signal?.addEventListener("abort", end);
    try {
      this.#engine.post({ type: "run", mock: this.#mock, run, request });
      const ran = await this.#engine.during(ended.promise);
      if ("problem" in ran) {
        signal?.throwIfAborted();
        throw new MockError([`${what}: ${ran.problem}`], "", ran.status);
      }
      if (ran.unseen !== undefined) this.#unseen.add(ran.unseen);
      return resultOf(what, request, options, ran);
    } finally {
      signal?.removeEventListener("abort", end);
      this.#runs.delete(run);
    }
  }

  /** The stub of each mocked path. */
  async stubs(): Promise<ReadonlyMap<string, string>> {
    if (this.#state !== "open") throw new MockError([CLOSED]);
    const request = ++this.#lastRun;
    const answer = deferred<ReadonlyMap<string, string> | NotRun>();
    this.#stubs.set(request, answer);
    try {
      const places = [...this.#places];
      this.#engine.post({ type: "stubs", mock: this.#mock, request, places });
      const stubs = await this.#engine.during(answer.promise);
      if ("problem" in stubs) throw new MockError([stubs.problem]);
      return new Map(stubs);
    } finally {
      this.#stubs.delete(request);
    }
  }

  get #problems(): ReadonlyArray<Problem> {
    const { records } = this;
    const ofTape = this.#tape?.problems(records) ?? [];
    return [
      ...problemsOf(this.#ruleData, records),
      ...ofTape.map((text): Problem => ({ text, of: "cassette" })),
    ];
  }

  get #ruleData(): ReadonlyArray<RuleData> {
    return [...this.#rules.values()].map(({ data }) => data);
  }

  /** What is wrong until now. */
  get problems(): ReadonlyArray<string> {
    return this.#problems.map(({ text }) => text);
  }

  /** What is no failure, but may be why a mock was never called. */
  get warnings(): ReadonlyArray<string> {
    return [
      ...warningsOf(this.#ruleData, (program) => this.#programs.get(program)?.calls.length !== 0),
      ...this.#unseen,
    ];
  }

  /** The rules, and how often they were called until now. */
  get rules(): ReadonlyArray<RuleReport> {
    return ruleReports(this.#ruleData, this.records);
  }

  verify(): void {
    this.#throw(this.#problems);
  }

  /** Fails for what no error was thrown for: of the calls alone, or of the rules too. */
  verifyRest(what: "calls" | "all"): void {
    this.#throw(
      this.#problems.filter(
        ({ of }) => !this.#told.has(of) && (what === "all" || typeof of === "object"),
      ),
    );
  }

  #throw(problems: ReadonlyArray<Problem>): void {
    if (problems.length === 0) return;
    for (const { of } of problems) this.#told.add(of);
    const error = new MockError(
      problems.map(({ text }) => text),
      comparison(this.#ruleData, this.#records),
    );
    const failed = problems
      .map(({ of }) => of)
      .find((of) => typeof of === "object" && this.#failures.has(of));
    // Runners show it too, with its own line and diff.
    if (typeof failed === "object") error.cause = this.#failures.get(failed);
    else
      error.cause = [...this.#thrown].find(([said]) =>
        problems.some(({ text }) => text.includes(said)),
      )?.[1];
    const rule = problems
      .map(({ of }) => (typeof of === "object" ? of.rule : of))
      .find((of) => typeof of === "number");
    showAt(
      error,
      (rule === undefined ? undefined : this.#rules.get(rule)?.place) ?? this.#makingPlace,
    );
    throw error;
  }

  /** Removes all that was made. */
  async close(): Promise<void> {
    if (this.#state === "open") {
      this.#state = "closing";
      if (this.#options.changePath === true && process.env.PATH === this.path)
        setPath(this.#formerPath);
      this.#engine.post({ type: "close", mock: this.#mock });
    }
    try {
      await (await this.#closures)?.close();
      await this.#engine.during(this.#closed.promise);
      if (this.#state === "closing") this.#tape?.write(this.records);
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#state = "closed";
    if (openMocks.delete(this) && openMocks.size === 0) nodeProcess.off("exit", removeAll);
    this.#engine.forget(this.#mock);
    this.remove();
    for (const look of this.#watchers) look();
  }

  /** Removes the directory. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #hear(message: FromEngine): void {
    switch (message.type) {
      case "opened":
        this.#opened.resolve();
        return;
      case "closed": {
        const { problem } = message;
        if (problem !== undefined)
          this.#opened.reject(new MockError([`The mock cannot be made: ${problem}`]));
        this.#closed.resolve();
        return;
      }
      case "call":
        this.#records[message.record.index] = withEnv(message.record);
        for (const look of this.#watchers) look();
        return;
      case "stubs":
        this.#stubs.get(message.request)?.resolve(message.stubs);
        return;
      case "started": {
        const { run, pid } = message;
        const kill = (signal: NodeJS.Signals) =>
          this.#engine.post({
            type: "signalRun",
            mock: this.#mock,
            run,
            signal: constants.signals[signal],
          });
        const started = this.#runs.get(run);
        try {
          started?.onStart?.({ pid, kill });
        } catch (error) {
          started?.ended.reject(error as Error);
          this.#engine.post({ type: "endRun", mock: this.#mock, run });
        }
        return;
      }
      case "ran":
        this.#runs.get(message.run)?.ended.resolve(message.ran);
        return;
      case "outcome": {
        const record = this.#records[message.index];
        if (record !== undefined) Object.assign(record, message.changes);
        return;
      }
      case "closure":
        void this.#answer(message.index, message.id, message.handed);
        return;
      case "predicate": {
        if (!claims(message.claim, CLAIM.TEST)) return;
        let answer: boolean | string;
        try {
          answer = Boolean(this.#predicates[message.id]?.(message.text));
        } catch (error) {
          answer = error instanceof Error ? error.message : String(error);
          this.#thrown.set(predicateFailure(answer), error);
        }
        this.#engine.post({ type: "predicate", request: message.request, answer });
      }
    }
  }

  /** Has a function of the test answer a call. */
  async #answer(index: number, id: number, handed: HandedOver): Promise<void> {
    const record = this.#records[index] as CallRecord;
    const tell = (changes: Partial<CallRecord>) => void Object.assign(record, changes);
    const taken = (problem?: string) =>
      this.#engine.post({ type: "taken", mock: this.#mock, index, problem });
    // What runs functions may still be loading.
    this.#engine.post({ type: "heard", mock: this.#mock, index });
    try {
      const closures = await this.#closures;
      await closures?.run(handed, record, {
        handler: () => this.#handlers[id] as CallHandler,
        searchPath: this.#searchPath,
        place: this.#places.has(record.path) ? record.path : undefined,
        places: this.#places,
        directory: this.directory,
        deadline: this.#deadline,
        tell,
        onFailure: (error) => this.#failures.set(record, error),
        onTaken: () => taken(),
      });
    } catch (error) {
      this.#engine.drain();
      // The engine has answered meanwhile, because this thread was blocked.
      if (record.outcome !== "pending") return;
      const cause =
        this.#state === "open"
          ? String(error)
          : "the mock was closed before its handler had answered: wait for the program under test first";
      const problem = `${shownCall(record)}: ${cause}`;
      tell({ outcome: "failed", problem });
      taken(problem);
    }
  }

  #fail(error: Error): void {
    this.#opened.reject(error);
    this.#closed.reject(error);
    for (const { ended } of this.#runs.values()) ended.reject(error);
    for (const stubs of this.#stubs.values()) stubs.reject(error);
  }
}

/** A program under test that runs, or will. */
interface Run {
  readonly onStart: RunOptions["onStart"] | undefined;
  readonly ended: Deferred<Ran | NotRun>;
}

/** Built, also where the client is not: the classes of these packages must be those that a loader of Node gives. */
const loadClosures = async (): Promise<Closures> => {
  const url = new URL("../dist/closures.js", import.meta.url);
  const { makeClosures } = (await (import.meta.url.endsWith(".cjs")
    ? nodeRequire(fileURLToPath(url))
    : import(/* @vite-ignore */ url.href))) as typeof import("./closures.ts");
  return makeClosures();
};

const OPTIONS: ReadonlyArray<keyof MockOptions> = [
  "path",
  "allow",
  "aroundPath",
  "cassette",
  "env",
  "changePath",
  "deadline",
  "blockedLimit",
  "log",
];

const checkOptions = (options: MockOptions): void => {
  checkNames("mock", options, OPTIONS, "a mock");
  const { path, allow, aroundPath, blockedLimit, deadline } = options;
  if (path !== undefined && !["prepend", "everything", "hermetic"].includes(path))
    throw new MockError([
      `mock: path is ${JSON.stringify(path)}, and must be "prepend", "everything" or "hermetic"`,
    ]);
  if (allow !== undefined && (path === undefined || path === "prepend"))
    throw new MockError([
      'mock: allow is for path: "everything" and "hermetic"; with "prepend" all programs are allowed that are not mocked',
    ]);
  if (aroundPath !== undefined && aroundPath !== "name" && aroundPath !== "deny")
    throw new MockError([
      `mock: aroundPath is ${JSON.stringify(aroundPath)}, and must be "name" or "deny"`,
    ]);
  if (aroundPath !== undefined && path !== "hermetic")
    throw new MockError(['mock: aroundPath is for path: "hermetic"']);
  for (const name of allow ?? []) {
    if (!name.includes("/")) continue;
    if (path !== "hermetic")
      throw new MockError([
        `mock: allow: ${name} is a path, which is for path: "hermetic"; with "everything" only names lead to the mock`,
      ]);
    // Else it would silently allow nothing.
    if (!name.endsWith("/")) placeOf(name);
  }
  for (const [name, limit] of Object.entries({ blockedLimit, deadline }))
    if (limit !== undefined && !(limit >= 0))
      throw new MockError([`mock: ${name} is ${limit}, and must be milliseconds`]);
};

/** A log begins empty: calls of a former test would be counted too. The engine appends to it. */
const beginLog = (log: string): void => {
  try {
    writeFileSync(log, "");
  } catch (error) {
    throw new MockError([`mock: the log cannot be written: ${(error as Error).message}`]);
  }
};

const openMocks = new Set<MockCore>();

/** Nothing stays behind of a test that forgets to close, or that ends in the middle. */
const removeAll = (): void => {
  for (const mock of openMocks) mock.remove();
};

/** Sets PATH of this process, and of what a test of Jest takes for it. */
const setPath = (path: string | undefined): void => {
  for (const { env } of [process, nodeProcess])
    if (path === undefined) delete env["PATH"];
    else env["PATH"] = path;
};
