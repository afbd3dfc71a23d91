import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HandedOver } from "@rsyscall/stub-server";
import type { CallHandler } from "./Call.ts";
import type { Closures } from "./closures.ts";
import { deferred } from "./deferred.ts";
import { type EngineThread, engineThread } from "./engineThread.ts";
import { MockError } from "./errors.ts";
import { CLAIM, claims, type FromEngine } from "./messages.ts";
import { Program } from "./Program.ts";
import type { ArgumentPattern, ArgumentTest, TextPattern, TextTest } from "./pattern.ts";
import { Rule } from "./Rule.ts";
import type { CallRecord } from "./record.ts";
import type { ReplyData, RuleData } from "./reply.ts";
import { type Reply, replyDataOf } from "./replyData.ts";
import { problemsOf, shownCall, shownCalls } from "./report.ts";

/** What rules need of their mock. @internal */
export interface RuleOwner {
  readonly send: (rule: RuleData) => void;
  readonly test: (pattern: TextPattern) => TextTest;
  readonly replyData: (reply: Reply | CallHandler) => ReplyData;
}

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
  /** With `everything` and `hermetic`: names that are the real programs. */
  readonly allow?: ReadonlyArray<string>;
  /** The environment of programs under test. Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether PATH of this process is changed too, until the mock closes. Default false. */
  readonly changePath?: boolean;
  /** How long a function or module may take for its reply, in milliseconds. Default 20000. */
  readonly deadline?: number;
  /** How long the thread of the test may be blocked while a function of the test must answer, in milliseconds. Default 5000. */
  readonly blockedLimit?: number;
}

/** How long to wait for a call, by default. Shorter than the limits of test runners, so that its message is seen. */
const NEXT_LIMIT = 4000;

// Those of the test may be fake.
const { setTimeout, clearTimeout } = globalThis;

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
  readonly #opened = deferred<void>();
  readonly #closed = deferred<void>();
  #state: "open" | "closing" | "closed" = "open";
  #lastRule = 0;
  #lastGroup = 0;
  #formerPath: string | undefined;
  /** Where the names are. */
  readonly directory: string;

  constructor(options: MockOptions) {
    checkOptions(options);
    this.#engine = engineThread();
    this.#options = options;
    this.directory = mkdtempSync(join(tmpdir(), `rsyscall-mock-${process.pid}-`));
    this.#opened.promise.catch(() => {});
    this.#closed.promise.catch(() => {});
    this.#mock = this.#engine.register({
      hear: (message) => this.#hear(message),
      fail: (error) => this.#fail(error),
    });
    this.#engine.post({
      type: "open",
      mock: this.#mock,
      options: {
        directory: this.directory,
        everything: this.#mode !== "prepend",
        allow: options.allow ?? [],
        searchPath: this.#searchPath,
        deadline: this.#deadline,
        blockedLimit: options.blockedLimit ?? 5000,
      },
    });
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
    if (this.#options.changePath === true) {
      this.#formerPath = process.env.PATH;
      process.env.PATH = this.path;
    }
  }

  /** A program by its name, or by its path. */
  program(name: string): Program {
    let program = this.#programs.get(name);
    if (program === undefined) {
      this.#place(name);
      program = new Program(this, name);
      this.#programs.set(name, program);
    }
    return program;
  }

  #place(name: string): void {
    if (name === "" || name === "." || name === ".." || name.includes("\0"))
      throw new MockError([`${JSON.stringify(name)} is no name of a program`]);
    if (name.includes("/"))
      throw new MockError([
        `${name}: a path cannot be mocked yet: give a name that is found in PATH`,
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
    if (this.#state !== "open") throw new MockError(["The mock was closed: make another one."]);
    this.#engine.post({ type: "rule", mock: this.#mock, rule });
  }

  test(pattern: TextPattern): TextTest {
    if (typeof pattern === "string" || pattern instanceof RegExp) return pattern;
    if (typeof pattern !== "function")
      throw new MockError([
        `${String(pattern)} is no pattern: give text, a regular expression or a function`,
      ]);
    this.#predicates.push(pattern);
    return { pattern: "predicate", id: this.#predicates.length - 1 };
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
  ): Promise<CallRecord> {
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
    this.#watchers.add(look);
    try {
      return await this.#engine.during(promise);
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  /** What is wrong until now. */
  get problems(): ReadonlyArray<string> {
    return problemsOf(
      [...this.#rules.values()].map(({ data }) => data),
      this.records,
    );
  }

  verify(): void {
    const { problems } = this;
    if (problems.length > 0) throw new MockError(problems, shownCalls(this.#records));
  }

  /** Removes all that was made. */
  async close(): Promise<void> {
    if (this.#state === "open") {
      this.#state = "closing";
      if (this.#options.changePath === true && process.env.PATH === this.path) {
        if (this.#formerPath === undefined) delete process.env.PATH;
        else process.env.PATH = this.#formerPath;
      }
      this.#engine.post({ type: "close", mock: this.#mock });
    }
    try {
      await (await this.#closures)?.close();
      await this.#engine.during(this.#closed.promise);
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#state = "closed";
    openMocks.delete(this);
    this.#engine.forget(this.#mock);
    this.remove();
    for (const look of this.#watchers) look();
  }

  /** Removes the directory. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #hear(message: FromEngine & { readonly mock: number }): void {
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
        this.#records[message.record.index] = message.record;
        for (const look of this.#watchers) look();
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
        }
        this.#engine.post({ type: "predicate", request: message.request, answer });
      }
    }
  }

  /** Has a function of the test answer a call. */
  async #answer(index: number, id: number, handed: HandedOver): Promise<void> {
    const record = this.#records[index] as CallRecord;
    const tell = (changes: Partial<CallRecord>) => void Object.assign(record, changes);
    try {
      const closures = await this.#closures;
      await closures?.run(handed, record, {
        handler: () => this.#handlers[id] as CallHandler,
        searchPath: this.#searchPath,
        deadline: this.#deadline,
        tell,
        onTaken: () => this.#engine.post({ type: "taken", mock: this.#mock, index }),
      });
    } catch (error) {
      tell({ outcome: "failed", problem: `${shownCall(record)}: ${String(error)}` });
    }
  }

  #fail(error: Error): void {
    this.#opened.reject(error);
    this.#closed.reject(error);
  }
}

/** From the sources too: the classes of these packages must be those that a loader of Node gives. */
const loadClosures = async (): Promise<Closures> => {
  const url = new URL("../dist/closures.js", import.meta.url);
  const { makeClosures } = (await import(
    /* @vite-ignore */ url.href
  )) as typeof import("./closures.ts");
  return makeClosures();
};

const checkOptions = ({ path, allow, blockedLimit, deadline }: MockOptions): void => {
  if (path !== undefined && !["prepend", "everything", "hermetic"].includes(path))
    throw new MockError([
      `mock: path is ${JSON.stringify(path)}, and must be "prepend", "everything" or "hermetic"`,
    ]);
  if (allow !== undefined && (path === undefined || path === "prepend"))
    throw new MockError([
      'mock: allow is for path: "everything" and "hermetic"; with "prepend" all programs are allowed that are not mocked',
    ]);
  for (const [name, limit] of Object.entries({ blockedLimit, deadline }))
    if (limit !== undefined && !(limit >= 0))
      throw new MockError([`mock: ${name} is ${limit}, and must be milliseconds`]);
};

const openMocks = new Set<MockCore>();

// Nothing stays behind of a test that forgets to close, or that ends in the middle.
process.on("exit", () => {
  for (const mock of openMocks) mock.remove();
});
