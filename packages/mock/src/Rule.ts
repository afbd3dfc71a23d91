import type { CallHandler } from "./Call.ts";
import { expectation } from "./decide.ts";
import { MockError } from "./errors.ts";
import type { RuleOwner } from "./MockCore.ts";
import { checkNames } from "./options.ts";
import type { ArgumentTest, TextPattern } from "./pattern.ts";
import { type Place, placeHere } from "./place.ts";
import type { Conditions, RuleData } from "./reply.ts";
import type { Reply } from "./replyData.ts";

/** What else a call must be like. */
export interface WhereOptions {
  /** All that its stdin gives, as text. The call waits for the end of its input then. */
  readonly stdin?: TextPattern;
  /** The working directory of the caller. */
  readonly cwd?: TextPattern;
  /** Undefined: the variable is not set. */
  readonly env?: Readonly<Record<string, TextPattern | undefined>>;
}

/**
 * Which calls of a program are meant, how often they come, and what they get: status 0, unless something else is said.
 * Each method changes the rule, and is in force when it returns.
 *
 * @example
 * ```ts
 * import { mock, pass } from "@rsyscall/mock";
 *
 * const m = await mock();
 * m.ls("-l").reply(pass); // the real ls
 * m.ls("/secret").times(2).reply({ stderr: "ls: not today\n", status: 2 });
 * m.ls().reply(({ args, cwd }) => `${args.length} arguments in ${cwd}\n`);
 * for (const args of [["-l", "/"], ["/secret"], ["/secret"], []])
 *   console.log((await m.run("ls", args)).status); // 0 2 2 0
 * await m.close();
 * ```
 */
export class Rule {
  readonly #owner: RuleOwner;
  #data: RuleData;
  #hasReply = false;
  /** @internal */
  readonly place: Place = placeHere();

  /** @internal */
  constructor(
    owner: RuleOwner,
    id: number,
    program: string | undefined,
    args: ReadonlyArray<ArgumentTest>,
    isOtherwise = false,
  ) {
    this.#owner = owner;
    this.#data = {
      id,
      program,
      args,
      where: {},
      min: 0,
      max: Infinity,
      replies: [{ reply: "fixed", chunks: [], status: 0 }],
      isOtherwise,
    };
    owner.send(this.#data);
  }

  /** @internal */
  get data(): RuleData {
    return this.#data;
  }

  /** What calls get: text for stdout, a status, both and more, `pass`, `spy`, or what a function says. */
  reply(reply: Reply | CallHandler): this {
    this.#hasReply = true;
    return this.#change({ replies: [this.#owner.replyData(reply)] });
  }

  /** What the next call gets, after those that were given before. The last reply is for all further calls too. */
  thenReply(reply: Reply | CallHandler): this {
    const replies = this.#hasReply ? this.#data.replies : [];
    this.#hasReply = true;
    return this.#change({ replies: [...replies, this.#owner.replyData(reply)] });
  }

  /** The default export of a module answers, in the engine: also while the thread of the test is blocked. */
  handleBy(module: string | URL): this {
    this.#hasReply = true;
    return this.#change({ replies: [{ reply: "module", url: String(module) }] });
  }

  /** Only calls that are like this too. */
  where(options: WhereOptions): this {
    checkNames("where", options, ["stdin", "cwd", "env"], "where");
    const { env, stdin, cwd } = options;
    const test = (pattern: TextPattern) => this.#owner.test(pattern);
    const where: Conditions = {
      ...this.#data.where,
      ...(stdin === undefined ? {} : { stdin: test(stdin) }),
      ...(cwd === undefined ? {} : { cwd: test(cwd) }),
      ...(env === undefined
        ? {}
        : {
            env: Object.fromEntries(
              Object.entries(env).map(([name, pattern]) => [
                name,
                pattern === undefined ? undefined : test(pattern),
              ]),
            ),
          }),
    };
    return this.#change({ where });
  }

  /** Must be called exactly once. */
  once(): this {
    return this.between(1, 1);
  }

  /** Must be called exactly so often. */
  times(count: number): this {
    return this.between(count, count);
  }

  /** Must be called at least `min` times, and at most `max` times. */
  between(min: number, max: number): this {
    for (const count of [min, max])
      if (count !== Infinity && (!Number.isInteger(count) || count < 0))
        throw new MockError([
          `times: ${String(count)} is no number of calls: give a whole number that is not negative`,
        ]);
    if (min > max)
      throw new MockError([`between: the minimum ${min} is greater than the maximum ${max}`]);
    return this.#change({ min, max });
  }

  /** Must not be called. */
  never(): this {
    return this.between(0, 0);
  }

  /** May be called any number of times: so it is if nothing else is said. */
  any(): this {
    return this.between(0, Infinity);
  }

  /** @internal */
  inGroup(group: number): void {
    this.#change({ group });
  }

  /** How often it must be called, in words. */
  get expectation(): string {
    return expectation(this.#data);
  }

  #change(changes: Partial<RuleData>): this {
    this.#data = { ...this.#data, ...changes };
    this.#owner.send(this.#data);
    return this;
  }
}
