import { isUtf8 } from "node:buffer";
import { constants } from "node:os";
import { TextDecoder } from "node:util";
import type { CallHandler } from "./Call.ts";
import { MockError } from "./errors.ts";
import type { Mock } from "./mock.ts";
import { editDistance, nearestName } from "./nearestName.ts";
import { any, end, quoted, rest, testArguments } from "./pattern.ts";
import type { Rule } from "./Rule.ts";
import type { CallRecord } from "./record.ts";
import { pass, type ReplyOptions, spy } from "./reply.ts";
import type { Reply } from "./replyData.ts";

/*
 * Rules and patterns as one text, for command lines. docs/command-line.md describes the language:
 *
 *   rule    = pattern [ "=" ( "pass" | "spy" | "deny" ) | ":" option { "," option } ]
 *   option  = name "=" value
 *   pattern = program { word }
 *
 * Words are quoted as in a shell. What is quoted stands for itself: it is no star, no colon and no reply.
 */

/** Which calls are meant. */
export interface CallPattern {
  /** A name, or a path; undefined: every program. */
  readonly program: string | undefined;
  /** What the arguments must be, without argv[0]. */
  readonly args: ReadonlyArray<ArgumentWord>;
}

/** What an argument must be, where no function can say it. */
export type ArgumentWord = string | RegExp | typeof any | typeof rest | typeof end;

/** A rule, as its text says it. */
export interface RuleWords {
  /** The calls that the rule is for. */
  readonly pattern: CallPattern;
  /** Undefined if nothing is said: status 0. */
  readonly reply: Reply | CallHandler | undefined;
  /** How often it must be called; undefined if nothing is said. */
  readonly times: readonly [min: number, max: number] | undefined;
}

/** Exit status of a program that was denied: as a shell's for one that must not be executed. */
export const DENIED = 126;

const REPLIES = ["pass", "spy", "deny"] as const;
const OPTIONS = ["stdout", "stderr", "status", "signal", "delay", "times"] as const;

/** Reads a rule. A wrong one is a MockError, which says what is meant and what to do. */
export const parseRule = (text: string): RuleWords => {
  const scanner = new Scanner(text);
  const pattern = scanner.pattern();
  const reply = scanner.reply(pattern);
  return { pattern, ...reply };
};

/** Reads a pattern: a rule without a reply. */
export const parsePattern = (text: string): CallPattern => {
  const scanner = new Scanner(text);
  const pattern = scanner.pattern();
  if (!scanner.atEnd)
    throw wrong(
      text,
      `${scanner.rest} is a reply, and a pattern has none: leave it out, or quote it`,
    );
  return pattern;
};

/** Whose calls a program answers, and the program: a command of the shell. */
export interface HandlerWords {
  /** The calls that it answers. */
  readonly pattern: CallPattern;
  /** The command, for `sh -c`. */
  readonly handler: string;
}

/** Reads PATTERN=COMMAND. */
export const parseHandler = (text: string): HandlerWords => {
  // To the first = that is not quoted.
  const [, pattern, handler] =
    /^((?:[^\\'"=]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")*)=(.*)$/s.exec(text) ?? [];
  if (pattern === undefined || handler === undefined || handler.trim() === "")
    throw wrong(text, "it must be PATTERN=COMMAND, as 'git push=python3 fake_git.py'");
  return { pattern: parsePattern(pattern), handler };
};

/** Adds a rule to a mock, as the same rule in TypeScript would. */
export const addRule = (mock: Mock, { pattern, reply, times }: RuleWords): Rule => {
  const { program, args } = pattern;
  const rule = program === undefined ? mock.otherwise(reply ?? 0) : mock.program(program)(...args);
  if (program !== undefined && reply !== undefined) rule.reply(reply);
  return times === undefined ? rule : rule.between(...times);
};

/** Whether a call is one of those that a pattern means. */
export const matches = (
  { program, args }: CallPattern,
  call: Pick<CallRecord, "program" | "path" | "argv">,
): boolean =>
  (program === undefined || program === (program.includes("/") ? call.path : call.program)) &&
  testArguments(args, call.argv.slice(1), () => false);

const wrong = (text: string, problem: string): MockError =>
  new MockError([`${quoted(text)}: ${problem}`]);

/** A piece of a word: text that stands for itself, or a mark that was not quoted. */
type Piece = { readonly text: string } | "*" | "?" | "$";

/** Behind these an argument ends, and a reply may begin. */
const REPLY = /(?:=(pass|spy|deny)\s*$)|(?::([a-z]+)=)/y;
/** An expression has neither a space nor a slash in it that is not escaped: so a path is none. */
const EXPRESSION = /\/((?:[^\s/\\]|\\\S)+)\/(i?)(?=\s|$|:[a-z]+=|=(?:pass|spy|deny)\s*$)/y;
/** What looks like a reply, at the end of a rule. */
const ALMOST = /=([a-z]{3,5})\s*$/;

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** What was not read yet. */
  get rest(): string {
    return this.#text.slice(this.#at);
  }

  #sticky(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    return expression.exec(this.#text);
  }

  #spaces(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at += 1;
  }

  pattern(): CallPattern {
    this.#spaces();
    const program = this.#program();
    const args: Array<ArgumentWord> = [];
    for (this.#spaces(); !this.atEnd && !this.#sticky(REPLY); this.#spaces()) {
      if (args.at(-1) === end)
        throw wrong(
          this.#text,
          "$ is the end of the arguments, and something follows: quote it if it is an argument: '$'",
        );
      args.push(this.#argument());
    }
    if (program === undefined && args.length > 0)
      throw wrong(
        this.#text,
        "a rule for every program has no arguments: name a program, or leave the arguments out",
      );
    return { program, args };
  }

  /** Undefined: every program. */
  #program(): string | undefined {
    const pieces = this.#word();
    if (pieces.length === 0) throw wrong(this.#text, "there is no program in it");
    if (pieces.length === 1 && pieces[0] === "*") return undefined;
    const name = pieces.map((piece) => (typeof piece === "string" ? piece : piece.text)).join("");
    if (pieces.some((piece) => piece === "*" || piece === "?"))
      throw wrong(
        this.#text,
        `${name} is no name of a program: give one program, or * alone for every program`,
      );
    return name;
  }

  #argument(): ArgumentWord {
    const expression = this.#sticky(EXPRESSION);
    if (expression !== null) {
      this.#at += expression[0].length;
      const [, source = "", flags] = expression;
      try {
        return new RegExp(source, flags);
      } catch (error) {
        throw wrong(
          this.#text,
          `/${source}/ is no regular expression: ${(error as Error).message.replace(/^.*\/: /, "")}; ` +
            "quote it if it is an argument",
        );
      }
    }
    const start = this.#at;
    const almost = ALMOST.exec(this.#text);
    const pieces = this.#word();
    if (almost !== null && almost.index >= start && this.rest.trim() === "")
      this.#refuseAlmost(almost, pieces);
    if (pieces.length === 1) {
      if (pieces[0] === "*") return rest;
      if (pieces[0] === "?") return any;
      if (pieces[0] === "$") return end;
    }
    if (pieces.every((piece) => piece === "$" || typeof piece === "object"))
      return pieces.map((piece) => (typeof piece === "object" ? piece.text : piece)).join("");
    const source = pieces.map((piece) =>
      piece === "*"
        ? ".*"
        : piece === "?"
          ? "."
          : (piece === "$" ? piece : piece.text).replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"),
    );
    return new RegExp(`^${source.join("")}$`, "su");
  }

  /** A reply with a slip in it would else be taken for an argument. */
  #refuseAlmost([, word = ""]: RegExpExecArray, pieces: ReadonlyArray<Piece>): void {
    const last = pieces.at(-1);
    // What was quoted is meant so.
    if (typeof last !== "object" || !last.text.endsWith(`=${word}`)) return;
    const near = REPLIES.find((reply) => editDistance(word, reply) <= 1);
    const isAfterStar = pieces.at(-2) === "*" && last.text === `=${word}`;
    if (near === undefined && !isAfterStar) return;
    throw wrong(
      this.#text,
      `${word} is no reply: ${near === undefined ? `there are ${REPLIES.join(", ")}.` : `did you mean ${near}?`} ` +
        "Quote the = if it belongs to an argument",
    );
  }

  /** A word, to a space or a reply. */
  #word(): ReadonlyArray<Piece> {
    const pieces: Array<Piece> = [];
    const add = (text: string) => {
      const last = pieces.at(-1);
      if (typeof last === "object") pieces[pieces.length - 1] = { text: last.text + text };
      else pieces.push({ text });
    };
    while (!this.atEnd && !this.#sticky(REPLY)) {
      const character = this.#text[this.#at] as string;
      if (/\s/.test(character)) break;
      const text = this.#quoted();
      if (text !== undefined) {
        // Quoted text is a piece of its own, so that it is never taken for a mark or a reply.
        pieces.push({ text });
        continue;
      }
      this.#at += 1;
      if (character === "*" || character === "?" || character === "$") pieces.push(character);
      else add(character);
    }
    return pieces;
  }

  /** Text in quotes, or behind a backslash, if there is any here. */
  #quoted(): string | undefined {
    const character = this.#text[this.#at];
    if (character === "\\") {
      const next = this.#text[this.#at + 1];
      if (next === undefined)
        throw wrong(this.#text, "it ends with a backslash: write \\\\ for one");
      this.#at += 2;
      return next;
    }
    if (character === "'") return this.#until("'", (text) => text);
    if (character === '"') return this.#until('"', (text) => text.replace(/\\(["\\$`])/g, "$1"));
    if (character === "$" && this.#text[this.#at + 1] === "'") {
      this.#at += 1;
      return this.#until("'", (text) => joined(this.#unescaped(text)), true);
    }
    return undefined;
  }

  /** Text to the quote that ends it. */
  #until(quote: string, read: (text: string) => string, hasEscapes = quote === '"'): string {
    const start = this.#at + 1;
    let at = start;
    while (at < this.#text.length && this.#text[at] !== quote)
      at += hasEscapes && this.#text[at] === "\\" ? 2 : 1;
    if (at >= this.#text.length)
      throw wrong(this.#text, `the quote ${quote} at ${this.#at + 1} does not end`);
    this.#at = at + 1;
    return read(this.#text.slice(start, at));
  }

  /** Text with its escapes as C has them. */
  #unescaped(text: string): string {
    return text.replace(
      /\\(?:x([\da-fA-F]{1,2})|u([\da-fA-F]{4})|([^xu])|(.?))/gs,
      (all, byte?: string, unit?: string, simple?: string) => {
        if (unit !== undefined) return String.fromCharCode(Number.parseInt(unit, 16));
        if (byte !== undefined) return ofByte(Number.parseInt(byte, 16));
        const character = ESCAPES[simple ?? ""];
        if (character !== undefined) return character;
        throw wrong(
          this.#text,
          `${all} is no escape: there are \\n, \\t, \\r, \\e, \\0, \\\\, \\', \\", \\,, \\xHH and \\uHHHH`,
        );
      },
    );
  }

  reply({ program, args }: CallPattern): Omit<RuleWords, "pattern"> {
    const found = this.#sticky(REPLY);
    if (found === null) return { reply: undefined, times: undefined };
    const [, word] = found;
    if (word === "pass") return { reply: pass, times: undefined };
    if (word === "spy") return { reply: spy, times: undefined };
    if (word === "deny") {
      const denial = (name: string): ReplyOptions => ({
        stderr: `${name}: rsyscall: ${args.length > 0 ? "this call" : name} is denied by ${this.#text}\n`,
        status: DENIED,
      });
      // A rule for every program knows the name when it is called.
      return {
        reply: program === undefined ? (call) => denial(call.program) : denial(program),
        times: undefined,
      };
    }
    return this.#options();
  }

  #options(): Omit<RuleWords, "pattern"> {
    const given = new Map<string, string>();
    while (!this.atEnd) {
      // Behind the colon, or the comma.
      this.#at += 1;
      this.#spaces();
      const name = this.#sticky(/([a-z]*)=/y)?.[1];
      if (name === undefined)
        throw wrong(
          this.#text,
          `${JSON.stringify(this.rest)} is no option: it must be NAME=VALUE; quote a comma or a colon that belongs to a text`,
        );
      this.#at += name.length + 1;
      if (!(OPTIONS as ReadonlyArray<string>).includes(name)) {
        const near = nearestName(name, OPTIONS);
        throw wrong(
          this.#text,
          `${name} is no option of a reply: ${near === undefined ? `there are ${OPTIONS.join(", ")}.` : `did you mean ${near}?`} ` +
            "Quote the colon if it belongs to an argument",
        );
      }
      if (given.has(name)) throw wrong(this.#text, `${name} is given twice`);
      given.set(name, this.#value());
    }
    const number = (name: string, most: number): number | undefined => {
      const text = given.get(name);
      if (text === undefined) return undefined;
      if (!/^\d{1,9}$/.test(text) || Number(text) > most)
        throw wrong(
          this.#text,
          `${name} is ${JSON.stringify(text)}, and must be a whole number from 0 to ${most}`,
        );
      return Number(text);
    };
    const status = number("status", 255);
    const delay = number("delay", 86_400_000);
    const [stdout, stderr] = [given.get("stdout"), given.get("stderr")].map(
      (text) => text && outputOf(text),
    );
    const signal = this.#signal(given.get("signal"));
    const reply: ReplyOptions = {
      ...(stdout === undefined ? {} : { stdout }),
      ...(stderr === undefined ? {} : { stderr }),
      ...(status === undefined ? {} : { status }),
      ...(signal === undefined ? {} : { signal }),
      ...(delay === undefined ? {} : { delay }),
    };
    return {
      reply: Object.keys(reply).length === 0 ? undefined : reply,
      times: this.#times(given.get("times")),
    };
  }

  /** Text to the next comma that is not quoted. Spaces belong to it. */
  #value(): string {
    let value = "";
    while (!this.atEnd && this.#text[this.#at] !== ",") {
      const character = this.#text[this.#at] as string;
      if (character === "\\") {
        const sequence = this.#sticky(/\\(?:x[\da-fA-F]{1,2}|u[\da-fA-F]{4}|.?)/sy)?.[0] ?? "\\";
        this.#at += sequence.length;
        value += this.#unescaped(sequence);
      } else if (character === '"') value += this.#until('"', (text) => this.#unescaped(text));
      else if (character === "'") value += this.#until("'", (text) => text);
      else {
        value += character;
        this.#at += 1;
      }
    }
    return joined(value);
  }

  #signal(name: string | undefined): string | number | undefined {
    if (name === undefined) return undefined;
    if (/^\d+$/.test(name) && Number(name) >= 1 && Number(name) <= 64) return Number(name);
    const full = name.startsWith("SIG") ? name : `SIG${name}`;
    if (full in constants.signals) return full;
    const near = nearestName(full, Object.keys(constants.signals));
    throw wrong(
      this.#text,
      `the signal is ${JSON.stringify(name)}, and must be a name as SIGTERM, or a number from 1 to 64` +
        (near === undefined ? "" : `: did you mean ${near}?`),
    );
  }

  #times(text: string | undefined): readonly [number, number] | undefined {
    if (text === undefined) return undefined;
    const [, min, sign, max] = /^(\d{1,9})(?:(\+)|-(\d{1,9}))?$/.exec(text) ?? [];
    if (min === undefined || (max !== undefined && Number(max) < Number(min)))
      throw wrong(
        this.#text,
        `times is ${JSON.stringify(text)}, and must be a number as 2, a range as 1-3, or 1+ for once or more`,
      );
    return [Number(min), sign === "+" ? Infinity : Number(max ?? min)];
  }
}

/** What `\xHH` stands for: a byte, as in a shell. Above 7F it is a lone surrogate, as in arguments that are no text. */
const ofByte = (byte: number): string => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);

const isByteOfNoText = /[\udc80-\udcff]/u;

const bytesOf = (text: string): Uint8Array =>
  Buffer.concat(
    text
      .split(/([\udc80-\udcff])/u)
      .map((piece) =>
        isByteOfNoText.test(piece) ? Buffer.of(piece.charCodeAt(0) - 0xdc00) : Buffer.from(piece),
      ),
  );

/** Text in which bytes that are UTF-8 together are their character. */
const joined = (text: string): string =>
  text.replace(
    /[\udcc2-\udcdf][\udc80-\udcbf]|[\udce0-\udcef][\udc80-\udcbf]{2}|[\udcf0-\udcf4][\udc80-\udcbf]{3}/gu,
    (sequence) => {
      const bytes = bytesOf(sequence);
      return isUtf8(bytes) ? new TextDecoder().decode(bytes) : sequence;
    },
  );

/** What a reply writes: text, or bytes that are none. */
const outputOf = (text: string): string | Uint8Array =>
  isByteOfNoText.test(text) ? bytesOf(text) : text;

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  e: "\u001b",
  "0": "\0",
  "\\": "\\",
  "'": "'",
  '"': '"',
  ",": ",",
  " ": " ",
};
