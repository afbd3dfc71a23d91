import { mkdirSync, symlinkSync } from "node:fs";
import { basename } from "node:path";
import type { HandleFailure } from "@rsyscall/handle";
import { stubPath } from "@rsyscall/native";
import type { ExecCall } from "@rsyscall/seccomp";
import { type StubCall, StubServer, type StubServerError } from "@rsyscall/stub-server";
import type { ChildProcess, ChildThread, Thread } from "@rsyscall/thread";
import { Deferred, Effect, Exit, Scope } from "effect";
import { type Counted, decide, Needed, type Question } from "../decide.ts";
import type { OpenOptions, PostedRecord } from "../messages.ts";
import { commandLine } from "../pattern.ts";
import { outcomeOf } from "../perform.ts";
import { predicateFailure } from "../predicateFailure.ts";
import { readInput } from "../readInput.ts";
import type { Behind } from "../realProgram.ts";
import type { CallRecord } from "../record.ts";
import type { ReplyData, RuleData } from "../reply.ts";
import { unexpected } from "../report.ts";
import type { RunRequest } from "../runMessages.ts";
import { AroundPath } from "./AroundPath.ts";
import { answer } from "./answer.ts";
import { blocked } from "./blocked.ts";
import { commandLineOf } from "./commandLineOf.ts";
import type { Engine } from "./Engine.ts";
import { MockedPaths } from "./MockedPaths.ts";
import { Runs } from "./Runs.ts";
import { runProgram } from "./runProgram.ts";
import { type Played, TapePlayer } from "./TapePlayer.ts";

/** Exit status for a call that nothing is said about: as a shell's for a program that is not there. */
const NOT_FOUND = 127;

/** A call that the thread of the test is to take. */
interface Taking {
  readonly heard: Deferred.Deferred<void>;
  readonly taken: Deferred.Deferred<string | undefined>;
}

/** The server of one mock: its rules, and the calls of its names. */
export class MockServer {
  readonly engine: Engine;
  /** Of the engine. */
  readonly thread: Thread;
  readonly mock: number;
  readonly options: OpenOptions;
  /** Calls that wait until the thread of the test takes them. */
  readonly taking = new Map<number, Taking>();
  /** Closes with the mock. */
  readonly scope: Scope.Scope;
  readonly #tape: TapePlayer | undefined;
  readonly #rules = new Map<number, Counted>();
  readonly paths: MockedPaths;
  readonly runs: Runs;
  #calls = 0;
  #aroundPath: AroundPath | undefined;

  constructor(
    engine: Engine,
    thread: Thread,
    mock: number,
    options: OpenOptions,
    scope: Scope.Scope,
  ) {
    this.scope = scope;
    this.engine = engine;
    this.thread = thread;
    this.mock = mock;
    this.options = options;
    this.#tape = options.cassette && new TapePlayer(options.cassette);
    this.paths = new MockedPaths(options.directory);
    this.runs = new Runs(engine, mock);
  }

  /** Adds a rule, or changes one. */
  set(rule: RuleData): void {
    const counted = this.#rules.get(rule.id);
    this.#rules.set(rule.id, { rule, count: counted?.count ?? 0 });
  }

  /**
   * Listens, for as long as the scope. A name in `bin` is a link to `stub`, which is a link to the stub executable: so
   * all names find the one socket beside `stub`.
   */
  listen(): Effect.Effect<void, HandleFailure | StubServerError, Scope.Scope> {
    const { directory, everything, searchPath, allow } = this.options;
    return Effect.gen({ self: this }, function* () {
      symlinkSync(stubPath, `${directory}/stub`);
      if (everything) {
        const giveBack = this.engine.spareNames.take(directory, searchPath, allow);
        yield* Effect.addFinalizer(() => Effect.ignore(Effect.try(giveBack)));
      } else mkdirSync(`${directory}/bin`);
      const server = yield* StubServer.listenOn(this.thread, `${directory}/stub.sock`);
      yield* Effect.forkScoped(server.serve((call) => this.#handle(call)));
    });
  }

  /** Makes stubs of mocked places, for as long as the scope, and tells where they are. */
  stubs(request: number, places: ReadonlyArray<string>): Effect.Effect<void, never, Scope.Scope> {
    const { engine, mock, paths, thread } = this;
    return paths
      .serve(thread, places, (call) => this.#handle(call))
      .pipe(
        Effect.exit,
        Effect.map((exit) =>
          engine.post({
            ...{ type: "stubs", mock, request },
            stubs: Exit.isSuccess(exit)
              ? paths.stubs(places)
              : { problem: engine.shown(exit.cause) },
          }),
        ),
      );
  }

  /** Runs a program under test, for as long as the scope, and tells how it has ended. */
  run(run: number, request: RunRequest): Effect.Effect<void, never, Scope.Scope> {
    const { paths, thread } = this;
    return Effect.flatMap(Effect.scope, (scope) =>
      this.runs.begin(
        run,
        Effect.andThen(
          // The next program needs the servers too.
          Scope.provide(
            paths.serve(thread, request.places, (call) => this.#handle(call)),
            scope,
          ),
          Effect.suspend(() => {
            let unseen: string | undefined;
            const child = Effect.tap(paths.clone(thread, request.places), (made) =>
              Effect.map(this.#watched(made), (why) => {
                unseen = why;
              }),
            );
            const onStart = (process: ChildProcess) => this.runs.started(run, process);
            return Effect.map(runProgram(thread, request, child, onStart), (ran) => ({
              ...ran,
              unseen,
            }));
          }),
        ),
      ),
    );
  }

  /** Watches what a program under test calls around a hermetic mock. Gives why it cannot. */
  #watched(child: ChildThread) {
    const { aroundPath: mode } = this.options;
    if (mode === undefined) return Effect.succeed(undefined);
    this.#aroundPath ??= new AroundPath({
      ...this.options,
      mode,
      places: this.paths.places,
      onCall: (call, problem) => this.#wentAround(call, problem),
    });
    return this.#aroundPath.watch(child, this.scope);
  }

  /** Tells of a call that has not come here. */
  #wentAround({ pid, ppid, path, argv, cwd, env, time }: ExecCall, text: string): void {
    const program = basename(path);
    const words = commandLineOf(ppid);
    const parent = words && commandLine(words);
    const problem = unexpected(
      { program, path, argv, cwd, parent, pid },
      { problem: text, rule: undefined },
      [],
    );
    const environment = Object.entries(env)
      .map(([name, value]) => `${name}=${value}\0`)
      .join("");
    const record: PostedRecord = {
      ...{
        index: this.#calls++,
        program,
        path,
        argv,
        environment,
        cwd,
        pid,
        ppid,
        parent,
        time,
        problem,
      },
      ...{ outcome: "unexpected", rule: undefined, status: undefined, signal: undefined },
      ...{ stdin: undefined, stdout: undefined, stderr: undefined },
    };
    this.engine.postCall({ type: "call", mock: this.mock, record });
  }

  /** The thread of the test knows of a call. */
  heard(index: number): void {
    const taking = this.taking.get(index);
    if (taking !== undefined) Deferred.doneUnsafe(taking.heard, Effect.void);
  }

  /** The thread of the test answers a call; or it cannot. */
  taken(index: number, problem: string | undefined): void {
    const taking = this.taking.get(index);
    if (taking !== undefined) Deferred.doneUnsafe(taking.taken, Effect.succeed(problem));
  }

  /** Where the program behind a call is. */
  behind({ path }: Pick<CallRecord, "path">): Behind {
    const { places } = this.paths;
    return {
      searchPath: this.options.searchPath,
      place: places.has(path) ? path : undefined,
      places,
    };
  }

  /** Tells what has become known of a call. */
  tell(index: number, changes: Partial<CallRecord>): void {
    this.engine.post({ type: "outcome", mock: this.mock, index, changes });
  }

  #handle(call: StubCall) {
    this.engine.drain();
    const seen = new Seen(call, this.paths.placeOf(call));
    const decision = this.#decide(seen);
    return decision instanceof Needed
      ? Effect.flatMap(this.#decideWith(decision, call, seen), (later) =>
          this.#answer(call, seen, later),
        )
      : this.#answer(call, seen, decision);
  }

  /** Tells of a call, and answers it. The test hears of it before the caller ends. */
  #answer(call: StubCall, seen: Seen, decision: Played) {
    const index = this.#calls++;
    const { pid } = call.peer;
    const { program, path, argv, cwd, parent } = seen;
    const isUnexpected = "problem" in decision;
    const problem = isUnexpected
      ? unexpected({ program, path, argv, cwd, parent, pid }, decision, this.#counted)
      : undefined;
    const record: PostedRecord = {
      index,
      program,
      path,
      argv,
      environment: call.environText,
      cwd,
      pid,
      ppid: call.ppid,
      parent,
      time: Date.now(),
      rule: decision.rule?.id,
      outcome: isUnexpected ? "unexpected" : "pending",
      problem,
      status: isUnexpected ? NOT_FOUND : undefined,
      signal: undefined,
      stdin: seen.stdinBytes,
      stdout: undefined,
      stderr: undefined,
      ...(isUnexpected ? {} : outcomeOf(decision.reply)),
      ...(decision.cassette === undefined ? {} : { cassette: decision.cassette }),
    };
    this.engine.postCall({ type: "call", mock: this.mock, record });
    const reply: ReplyData = isUnexpected
      ? { reply: "deny", message: `${program}: rsyscall: ${problem}\n`, status: NOT_FOUND }
      : decision.reply;
    return answer(this, call, record, reply);
  }

  get #counted(): ReadonlyArray<Counted> {
    return [...this.#rules.values()];
  }

  /** Decides a call, or says what must be known first. */
  #decide(seen: Seen): Played | Needed {
    const ask = (id: number, text: string): boolean => {
      const known = seen.answers.get(`${id}:${text}`);
      if (known === undefined) throw new Needed({ id, text });
      return known;
    };
    try {
      const decision: Played = decide(this.#counted, seen, ask);
      return "problem" in decision && decision.rule === undefined && this.#tape !== undefined
        ? this.#tape.decide(seen, ask)
        : decision;
    } catch (error) {
      if (error instanceof Needed) return error;
      throw error;
    }
  }

  /** Finds out what a decision needs, and decides. */
  #decideWith({ what }: Needed, call: StubCall, seen: Seen): Effect.Effect<Played, HandleFailure> {
    return Effect.gen({ self: this }, function* () {
      if ("stdin" in what)
        seen.addInput(
          yield* readInput(call, what.stdin - (seen.stdinBytes?.length ?? 0)),
          what.stdin,
        );
      else {
        const { id, text } = what;
        const { blockedLimit } = this.options;
        const answered = yield* this.engine.ask(this.mock, id, text, blockedLimit);
        if (answered === undefined) return { rule: undefined, problem: blocked(blockedLimit) };
        if (typeof answered === "string")
          return { rule: undefined, problem: predicateFailure(answered) };
        seen.answers.set(`${id}:${text}`, answered);
      }
      const decision = this.#decide(seen);
      return decision instanceof Needed ? yield* this.#decideWith(decision, call, seen) : decision;
    });
  }
}

/** What is known of a call, as rules see it. */
class Seen implements Question {
  readonly #call: StubCall;
  stdinBytes: Uint8Array | undefined;
  /** Whether stdin has given all. */
  #isAtEnd = false;
  /** What predicates have said. */
  readonly answers = new Map<string, boolean>();
  readonly path: string;
  readonly program: string;

  /** @param place by which the call has come, if its path is mocked */
  constructor(call: StubCall, place: string | undefined) {
    this.#call = call;
    this.path = place ?? call.execfn?.text ?? call.argv[0] ?? "";
    this.program = this.path.slice(this.path.lastIndexOf("/") + 1);
  }

  get argv(): ReadonlyArray<string> {
    return this.#call.argv;
  }

  get cwd(): string | undefined {
    return this.#call.cwd?.text;
  }

  get env(): Readonly<Record<string, string>> {
    return this.#call.env;
  }

  readonly variable = (name: string): string | undefined => this.env[name];

  readonly stdin = (enough = Infinity): Uint8Array => {
    const bytes = this.stdinBytes;
    if (bytes === undefined || (!this.#isAtEnd && bytes.length < enough))
      throw new Needed({ stdin: enough });
    return bytes;
  };

  /** What was read from stdin, to the end or until there was enough. */
  addInput(bytes: Uint8Array, enough: number): void {
    this.stdinBytes = new Uint8Array(Buffer.concat([this.stdinBytes ?? new Uint8Array(0), bytes]));
    this.#isAtEnd = this.stdinBytes.length < enough;
  }

  get parent(): string | undefined {
    const words = commandLineOf(this.#call.ppid);
    return words && commandLine(words);
  }
}
