import { type Abi, AT, type SyscallName } from "@rsyscall/abi";
import { InvalidArgumentError } from "./errors.ts";
import { isOf, type Kind, word } from "./kinds.ts";
import { oneLine } from "./oneLine.ts";
import { type Result, someOffset } from "./Result.ts";
import type { Word } from "./SyscallInterface.ts";

/** A kind of whatever type. */
// biome-ignore lint/suspicious/noExplicitAny: a kind is invariant, so no other type has them all.
export type AnyKind = Kind<any>;

/** The words of any call: what it does not take is 0. */
export type SixWords = readonly [a: Word, b: Word, c: Word, d: Word, e: Word, f: Word];

/** What a definition says beyond arguments and result. */
export interface DefinitionOptions {
  /**
   * What errors say the call was about: the index of an argument, or text that is made of all of them. Default: the
   * first argument, if its kind says how (`Kind.about`), and no argument is the name of a file, which the caller
   * knows better.
   */
  readonly about?: number | ((...words: ReadonlyArray<Word>) => string | undefined);
  /**
   * The call returns without waiting for what anything else does: another task, the other end of a descriptor, a
   * file system, a timeout. It must be certain for all its arguments.
   *
   * It matters because the results of earlier calls may be held back while this one runs, to be sent together with
   * its own. Were it to wait, the program would wait for results that exist already, and perhaps it is the program
   * that must act to end the wait.
   */
  readonly prompt?: boolean;
  /** For an operation of the server that is no system call: its number in a request. */
  readonly operation?: number;
  /** What the call is for some words, where that depends on them: fcntl(2). Undefined: what it is in general. */
  readonly variant?: (...words: ReadonlyArray<Word>) => SyscallDefinition | undefined;
}

/** What a system call is called, what it takes and what it gives. See `define`. */
export class SyscallDefinition {
  readonly name: SyscallName;
  readonly kinds: ReadonlyArray<AnyKind>;
  readonly result: Result<unknown>;
  readonly isPrompt: boolean;
  readonly #options: DefinitionOptions;
  readonly #count: number;
  readonly #a: AnyKind;
  readonly #b: AnyKind;
  readonly #c: AnyKind;
  readonly #d: AnyKind;
  readonly #e: AnyKind;
  readonly #f: AnyKind;
  /** The machine that was asked for last, and the call's number there. */
  #abi: Abi | undefined;
  #number: number | undefined;
  #undecoded: SyscallDefinition | undefined;

  constructor(
    name: SyscallName,
    kinds: ReadonlyArray<AnyKind>,
    result: Result<unknown>,
    options: DefinitionOptions = {},
  ) {
    const [a = word, b = word, c = word, d = word, e = word, f = word] = kinds;
    this.name = name;
    this.kinds = kinds;
    this.result = result;
    this.isPrompt = options.prompt ?? false;
    this.#options = options;
    this.#count = kinds.length;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#e = e;
    this.#f = f;
  }

  /** Its number; undefined on a machine that does not have it. */
  numberOn(abi: Abi): number | undefined {
    if (abi !== this.#abi) {
      this.#number = this.#options.operation ?? abi.syscallNumber(this.name);
      this.#abi = abi;
    }
    return this.#number;
  }

  /** What the call is for these words: see {@link DefinitionOptions.variant}. */
  variant(...words: ReadonlyArray<Word>): SyscallDefinition {
    return this.#options.variant?.(...words) ?? this;
  }

  /** The same call, whose result is the number that the kernel gives. */
  get undecoded(): SyscallDefinition {
    if (this.result.decode === undefined) return this;
    const { decode: _, ...result } = this.result;
    this.#undecoded ??= new SyscallDefinition(this.name, this.kinds, result, this.#options);
    return this.#undecoded;
  }

  /**
   * Six words of those that are given: what the call does not take is 0. One that is missing and needed stays
   * undefined, which no call takes.
   */
  complete(words: ReadonlyArray<Word | undefined>): SixWords {
    return Array.from({ length: 6 }, (_, i) => {
      const kind = this.kinds[i];
      return kind === undefined ? 0 : (words[i] ?? kind.fallback);
    }) as unknown as SixWords;
  }

  /** Whether the kernel takes all of the words for what they are. */
  takes(a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): boolean {
    const count = this.#count;
    return (
      (count < 1 || isOf(this.#a, a)) &&
      (count < 2 || isOf(this.#b, b)) &&
      (count < 3 || isOf(this.#c, c)) &&
      (count < 4 || isOf(this.#d, d)) &&
      (count < 5 || isOf(this.#e, e)) &&
      (count < 6 || isOf(this.#f, f))
    );
  }

  /** The error of words that it does not take. */
  refusal(words: ReadonlyArray<Word>): InvalidArgumentError {
    const at = this.kinds.findIndex((kind, i) => !isOf(kind, words[i]));
    const kind = this.kinds[at] ?? word;
    return new InvalidArgumentError({
      syscall: this.name,
      argument: kind.label,
      value: words[at],
      expected: kind.expected,
    });
  }

  /** What a call of these words is about; undefined for one that is about nothing in particular. */
  about(words: ReadonlyArray<Word>): string | undefined {
    const { about } = this.#options;
    if (typeof about === "function") return about(...words);
    if (about === undefined && this.kinds.some(isFileName)) return undefined;
    const at = about ?? 0;
    return this.kinds[at]?.about?.(words[at] as Word);
  }
}

oneLine(SyscallDefinition, ({ name }) => name);

/**
 * What a call with a directory and a path is about, where the flags are the argument of this index: with
 * AT_EMPTY_PATH it is the descriptor. A path is known by the caller.
 */
export const fdOfEmptyPath =
  (flagsAt: number) =>
  (...words: ReadonlyArray<Word>): string | undefined =>
    Number(words[flagsAt]) & AT.EMPTY_PATH ? `fd ${words[0]}` : undefined;

const isFileName = ({ memory }: AnyKind): boolean => memory?.content.is === "path";

const anyWord = word.or(0);

/** A call that is not known here: it may take any words, and give any result that a number holds exactly. */
export const unknownCall = (name: SyscallName): SyscallDefinition =>
  new SyscallDefinition(
    name,
    Array.from({ length: 6 }, (_, i) => anyWord.as(`argument ${i + 1}`)),
    someOffset,
  );

/** Why these are no words of 64 bits; undefined if they are. */
export const wordsRefusal = (
  syscall: () => string,
  words: SixWords,
): InvalidArgumentError | undefined => {
  const at = words.findIndex((value) => !isOf(word, value));
  return at < 0
    ? undefined
    : new InvalidArgumentError({
        syscall: syscall(),
        argument: `argument ${at + 1}`,
        value: words[at],
        expected: word.expected,
      });
};
