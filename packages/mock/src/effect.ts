import type { HandleFailure } from "@rsyscall/handle";
import { Context, Effect, Effectable, Layer, type Scope, Stream } from "effect";
import type { Call, CallInput, CallOutput } from "./Call.ts";
import { MockError } from "./errors.ts";
import type { MockOptions } from "./MockCore.ts";
import { type MockedProgram, openMock, type Mock as PromiseMock } from "./mock.ts";
import type { NextOptions } from "./Program.ts";
import type { ProgramNames } from "./ProgramNames.ts";
import type { ArgumentPattern } from "./pattern.ts";
import type { Rule, WhereOptions } from "./Rule.ts";
import type { CallRecord } from "./record.ts";
import type { Reply } from "./replyData.ts";

/*
 * The mock of `index.ts` for programs with Effect: a service. It is the same client; what may fail or wait is an
 * Effect, and so are handlers.
 */

/** What the caller gives to the program. Each method reads it to its end, and can be called again. */
export interface EffectCallInput {
  /** All bytes up to the end of the stream. */
  readonly bytes: () => Effect.Effect<Uint8Array, HandleFailure>;
  /** The same as text in UTF-8. */
  readonly text: () => Effect.Effect<string, HandleFailure>;
  /** The lines as they come, without their newlines. */
  readonly lines: () => Stream.Stream<string, HandleFailure>;
  /** The bytes as they come. */
  readonly stream: () => Stream.Stream<Uint8Array, HandleFailure>;
}

/** What the program gives to the caller. */
export interface EffectCallOutput {
  /** Writes all of it. Waits until the reader has room. */
  readonly write: (text: string | Uint8Array) => Effect.Effect<void, HandleFailure>;
}

/** A call of a mock, as its handler has it. `thread` is the process that called. The handler is interrupted when that ends. */
export interface EffectCall extends Omit<Call, "stdin" | "stdout" | "stderr" | "signal"> {
  /** The caller's stdin. */
  readonly stdin: EffectCallInput;
  /** The caller's stdout. */
  readonly stdout: EffectCallOutput;
  /** The caller's stderr. */
  readonly stderr: EffectCallOutput;
}

/** Answers calls. Its failure fails the mock, and gives 70 to the caller. */
export type EffectCallHandler<E = unknown, R = never> = (
  call: EffectCall,
) => Effect.Effect<Reply | void, E, R>;

// Underlying promises are rejected with the failures of the Thread alone.
const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, HandleFailure> =>
  Effect.tryPromise({ try: run, catch: (error) => error as HandleFailure });

const streamOf = <A>(iterate: () => AsyncIterable<A>): Stream.Stream<A, HandleFailure> =>
  Stream.suspend(() => Stream.fromAsyncIterable(iterate(), (error) => error as HandleFailure));

const inputOf = (input: CallInput): EffectCallInput => ({
  bytes: () => attempt(input.bytes),
  text: () => attempt(input.text),
  lines: () => streamOf(input.lines),
  stream: () => streamOf(input.stream),
});

const outputOf = ({ write }: CallOutput): EffectCallOutput => ({
  write: (text) => attempt(() => write(text)),
});

const callOf = (call: Call): EffectCall => {
  const { stdin, stdout, stderr, signal: _, ...rest } = Object.getOwnPropertyDescriptors(call);
  return Object.defineProperties({} as EffectCall, {
    ...rest,
    stdin: { value: inputOf(stdin.value as CallInput), enumerable: true },
    stdout: { value: outputOf(stdout.value as CallOutput), enumerable: true },
    stderr: { value: outputOf(stderr.value as CallOutput), enumerable: true },
  });
};

/** A step of a rule, which may need the services of the program. */
type Step<R> = (rule: Rule, services: Context.Context<R>) => Rule;

/**
 * A rule to be made: which calls of a program are meant, how often they come, and what they get. `yield*` makes it; each
 * method gives another one, with more said. See `Rule`.
 */
export class MockRule<R = never> extends Effectable.Class<Rule, MockError, R> {
  readonly #begin: () => Rule;
  readonly #steps: ReadonlyArray<Step<R>>;

  /** @internal */
  constructor(begin: () => Rule, steps: ReadonlyArray<Step<R>> = []) {
    super();
    this.#begin = begin;
    this.#steps = steps;
  }

  asEffect(): Effect.Effect<Rule, MockError, R> {
    return Effect.contextWith((services: Context.Context<R>) =>
      Effect.try({
        try: () => this.#steps.reduce((rule, step) => step(rule, services), this.#begin()),
        catch: mockErrorOf,
      }),
    );
  }

  #with<R2 = never>(step: Step<R | R2>): MockRule<R | R2> {
    return new MockRule<R | R2>(this.#begin, [
      ...(this.#steps as ReadonlyArray<Step<R | R2>>),
      step,
    ]);
  }

  /** What calls get: text for stdout, a status, both and more, `pass`, `spy`, or what a handler says. */
  reply<E, R2 = never>(reply: Reply | EffectCallHandler<E, R2>): MockRule<R | R2> {
    return this.#with<R2>((rule, services) => rule.reply(replyOf(reply, services)));
  }

  /** What the next call gets, after those that were given before. The last reply is for all further calls too. */
  thenReply<E, R2 = never>(reply: Reply | EffectCallHandler<E, R2>): MockRule<R | R2> {
    return this.#with<R2>((rule, services) => rule.thenReply(replyOf(reply, services)));
  }

  /** The default export of a module answers, in the engine: also while this thread is blocked. */
  handleBy(module: string | URL): MockRule<R> {
    return this.#with((rule) => rule.handleBy(module));
  }

  /** Only calls that are like this too. */
  where(options: WhereOptions): MockRule<R> {
    return this.#with((rule) => rule.where(options));
  }

  /** Must be called exactly once. */
  once(): MockRule<R> {
    return this.times(1);
  }

  /** Must be called exactly so often. */
  times(count: number): MockRule<R> {
    return this.between(count, count);
  }

  /** Must be called at least `min` times, and at most `max` times. */
  between(min: number, max: number): MockRule<R> {
    return this.#with((rule) => rule.between(min, max));
  }

  /** Must not be called. */
  never(): MockRule<R> {
    return this.times(0);
  }
}

const isHandler = <E, R>(
  reply: Reply | EffectCallHandler<E, R>,
): reply is EffectCallHandler<E, R> => typeof reply === "function" && !("reply" in reply);

const replyOf = <E, R>(
  reply: Reply | EffectCallHandler<E, R>,
  services: Context.Context<R>,
): Parameters<Rule["reply"]>[0] => {
  if (!isHandler(reply)) return reply;
  const run = Effect.runPromiseWith(services);
  return (call) =>
    run(
      Effect.suspend(() => reply(callOf(call))),
      { signal: call.signal },
    );
};

const mockErrorOf = (error: unknown): MockError =>
  error instanceof MockError
    ? error
    : new MockError([error instanceof Error ? error.message : String(error)]);

/** A program of a mock. Called with patterns of arguments, it gives a rule. */
export interface EffectProgram {
  (...args: ReadonlyArray<ArgumentPattern>): MockRule;
  /** What calls get for which no other rule is. */
  readonly otherwise: <E, R = never>(reply: Reply | EffectCallHandler<E, R>) => MockRule<R>;
  /** A rule for all its calls. */
  readonly reply: <E, R = never>(reply: Reply | EffectCallHandler<E, R>) => MockRule<R>;
  /** Its calls until now. */
  readonly calls: ReadonlyArray<CallRecord>;
  /** Waits for its next call. */
  readonly next: (options?: Omit<NextOptions, "signal">) => Effect.Effect<CallRecord, MockError>;
}

interface EffectMockMembers
  extends Pick<PromiseMock, "path" | "env" | "directory" | "calls" | "problems"> {
  /** A rule of a program, by its name or its path. */
  (program: string, ...args: ReadonlyArray<ArgumentPattern>): MockRule;
  /** A program whose name is no name of TypeScript, or one of the members of a mock. */
  readonly program: (name: string) => EffectProgram;
  /** What calls get for which no rule is. */
  readonly otherwise: <E, R = never>(reply: Reply | EffectCallHandler<E, R>) => MockRule<R>;
  /** These rules must be called in this order. */
  readonly inOrder: (...rules: ReadonlyArray<Rule>) => Effect.Effect<void, MockError>;
  /** Fails if something is wrong until now. */
  readonly verify: () => Effect.Effect<void, MockError>;
}

/** A directory of mocked programs. Each property that is no member is the program of that name. */
export type EffectMock = EffectMockMembers & {
  readonly [program in keyof ProgramNames]: EffectProgram;
} & {
  readonly [program: string]: EffectProgram;
};

const programOf = (program: MockedProgram): EffectProgram =>
  Object.defineProperties(
    (...args: ReadonlyArray<ArgumentPattern>) => new MockRule(() => program(...args)),
    {
      otherwise: { value: repliesBy((reply) => program.otherwise(reply)) },
      reply: { value: repliesBy((reply) => program.reply(reply)) },
      calls: { get: () => program.calls },
      next: {
        value: (options: NextOptions = {}) =>
          Effect.tryPromise({
            try: (signal) => program.next({ ...options, signal }),
            catch: mockErrorOf,
          }),
      },
    },
  ) as EffectProgram;

/** A rule that begins with its reply. */
const repliesBy =
  (make: (reply: Parameters<Rule["reply"]>[0]) => Rule) =>
  <E, R>(reply: Reply | EffectCallHandler<E, R>): MockRule<R> =>
    // The reply is replaced as soon as the services are known.
    new MockRule<R>(() => make(0)).reply(reply);

const effectMockOf = (mock: PromiseMock): EffectMock => {
  const program = (name: string) => programOf(mock.program(name));
  const members: Readonly<Record<string, unknown>> = {
    program,
    otherwise: repliesBy((reply) => mock.otherwise(reply)),
    inOrder: (...rules: ReadonlyArray<Rule>) =>
      Effect.try({ try: () => mock.inOrder(...rules), catch: mockErrorOf }),
    verify: () => Effect.try({ try: () => mock.verify(), catch: mockErrorOf }),
  };
  const rule = (name: string, ...args: ReadonlyArray<ArgumentPattern>) =>
    new MockRule(() => mock(name, ...args));
  return new Proxy(rule as unknown as EffectMock, {
    get: (_, key) => {
      if (typeof key === "string" && Object.hasOwn(members, key)) return members[key];
      const value: unknown = Reflect.get(mock, key);
      return typeof value === "function" && "_isMockFunction" in value
        ? programOf(value as unknown as MockedProgram)
        : value;
    },
    has: (_, key) => Reflect.has(mock, key),
  });
};

/**
 * A directory of mocked programs, as a service. It is closed and verified with the scope that made it: what is wrong
 * then is a defect, a `MockError`. A program that ends with `mock.verify()` has it in its error channel.
 *
 * ```ts
 * import { execFileSync } from "node:child_process";
 * import { Mock } from "@rsyscall/mock/effect";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const m = yield* Mock;
 *   yield* m.git("push").once().reply("pushed\n");
 *   console.log(execFileSync("git", ["push"], { env: m.env, encoding: "utf8" })); // pushed
 *   yield* m.verify();
 * });
 * await Effect.runPromise(program.pipe(Effect.provide(Mock.layer())));
 * ```
 */
export class Mock extends Context.Service<Mock, EffectMock>()("@rsyscall/mock/Mock") {
  /** Makes a mock for as long as the scope. */
  static readonly make = (
    options: MockOptions = {},
  ): Effect.Effect<EffectMock, MockError, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        Effect.tryPromise({ try: () => openMock(options, true), catch: mockErrorOf }),
        (opened) => Effect.promise(opened.finish),
      ),
      ({ mock }) => effectMockOf(mock),
    );

  /** Provides a mock for as long as the scope of the layer. See {@link Mock.make}. */
  static readonly layer = (options: MockOptions = {}): Layer.Layer<Mock, MockError> =>
    Layer.effect(Mock, Mock.make(options));
}

export { cloneWithStubs, type Stubs } from "./engine/mountNamespace.ts";
export { RunError } from "./engine/runProgram.ts";
export { any, end, MockError, pass, readCassette, rest, spy } from "./index.ts";
export type { MockOptions } from "./MockCore.ts";
export { placeSeen } from "./placeSeen.ts";
