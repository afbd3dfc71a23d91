import { type Abi, AT, type SyscallName } from "@rsyscall/abi";
import { InvalidArgumentError } from "./errors.ts";
import { isOf, type Kind, word } from "./kinds.ts";
import { oneLine } from "./oneLine.ts";
import { type Result, someOffset } from "./Result.ts";
import type { Word } from "./SyscallInterface.ts";

/** A kind of any type. */
// biome-ignore lint/suspicious/noExplicitAny: a kind is invariant, so no other type has them all.
export type AnyKind = Kind<any>;

/** The words of any call: words that it does not take are 0. */
export type SixWords = readonly [a: Word, b: Word, c: Word, d: Word, e: Word, f: Word];

/** The parts of a definition besides arguments and result. */
export interface DefinitionOptions {
  /**
   * The subject that errors name: the index of an argument, or text that is made of all of them. Default: the first
   * argument, if its kind has a text for it (`Kind.about`) and no argument is a file name, which the caller knows
   * better.
   */
  readonly about?: number | ((...words: ReadonlyArray<Word>) => string | undefined);
  /**
   * The call returns without waiting for another task, the other end of a descriptor, a file system or a timeout.
   * That must be certain for all its arguments.
   *
   * The server may hold back the results of earlier calls while this one runs, to send them together with its own.
   * If the call waited, the program would not get results that exist already; and perhaps only the program can end
   * the wait.
   */
  readonly prompt?: boolean;
  /**
   * Whether to make the call again if a signal has interrupted it (EINTR). It must have changed nothing then, and
   * have no timeout, which would begin anew. See signal(7).
   */
  readonly restarts?: boolean;
  /** For an operation of the server that is no system call: its number in a request. */
  readonly operation?: number;
  /** Gives the definition for some words, if it depends on them: fcntl(2). Undefined: the general one. */
  readonly variant?: (...words: ReadonlyArray<Word>) => SyscallDefinition | undefined;
}

/** The name, the arguments and the result of a system call. See `define`. */
export class SyscallDefinition {
  /** The name in the man page. */
  readonly name: SyscallName;
  /** The kinds of its arguments, in their order. */
  readonly kinds: ReadonlyArray<AnyKind>;
  /** The results that it can have. */
  readonly result: Result<unknown>;
  /** Whether the call never waits for anything. */
  readonly isPrompt: boolean;
  /** Whether the call is made again if a signal has interrupted it. */
  readonly restarts: boolean;
  readonly #options: DefinitionOptions;
  readonly #count: number;
  readonly #a: AnyKind;
  readonly #b: AnyKind;
  readonly #c: AnyKind;
  readonly #d: AnyKind;
  readonly #e: AnyKind;
  readonly #f: AnyKind;
  /** The machine of the last `numberOn`, and the call's number there. */
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
    this.restarts = options.restarts ?? false;
    this.#options = options;
    this.#count = kinds.length;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#e = e;
    this.#f = f;
  }

  /** Returns the number of the call; undefined on a machine that does not have it. */
  numberOn(abi: Abi): number | undefined {
    if (abi !== this.#abi) {
      this.#number = this.#options.operation ?? abi.syscallNumber(this.name);
      this.#abi = abi;
    }
    return this.#number;
  }

  /** Returns the definition for these words: see {@link DefinitionOptions.variant}. */
  variant(...words: ReadonlyArray<Word>): SyscallDefinition {
    return this.#options.variant?.(...words) ?? this;
  }

  /** The same call with an undecoded result: the kernel's number. */
  get undecoded(): SyscallDefinition {
    if (this.result.decode === undefined) return this;
    const { decode: _, ...result } = this.result;
    this.#undecoded ??= new SyscallDefinition(this.name, this.kinds, result, this.#options);
    return this.#undecoded;
  }

  /**
   * Completes the given words to six: words that the call does not take are 0. A word that is missing and required
   * stays undefined, which every call refuses.
   */
  complete(words: ReadonlyArray<Word | undefined>): SixWords {
    return [
      this.#word(words, 0),
      this.#word(words, 1),
      this.#word(words, 2),
      this.#word(words, 3),
      this.#word(words, 4),
      this.#word(words, 5),
    ];
  }

  #word(words: ReadonlyArray<Word | undefined>, i: number): Word {
    const kind = this.kinds[i];
    return kind === undefined ? 0 : (words[i] ?? (kind.fallback as Word));
  }

  /** Whether the kernel reads all of the words as they are meant. */
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

  /** Makes the error for words that `takes` refuses. */
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

  /** Returns the subject of a call with these words; undefined if it has none. */
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
 * Returns the subject of a call with a directory, a path and flags (the argument of this index): the descriptor if
 * the flags have AT_EMPTY_PATH. Otherwise it is the path, which the caller knows.
 */
export const fdOfEmptyPath =
  (flagsAt: number) =>
  (...words: ReadonlyArray<Word>): string | undefined =>
    Number(words[flagsAt]) & AT.EMPTY_PATH ? `fd ${words[0]}` : undefined;

const isFileName = ({ memory }: AnyKind): boolean => memory?.content.is === "path";

const anyWord = word.or(0);

/** Makes the definition of an unknown call: it takes any words, and any result that a number holds exactly. */
export const unknownCall = (name: SyscallName): SyscallDefinition =>
  new SyscallDefinition(
    name,
    Array.from({ length: 6 }, (_, i) => anyWord.as(`argument ${i + 1}`)),
    someOffset,
  );

/** Makes the error for words that do not have 64 bits; undefined if they all do. */
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
