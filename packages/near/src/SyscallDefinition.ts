import type { Abi, SyscallName } from "@rsyscall/abi";
import { type ArgumentKind, isOf, type ResultKind, someOffset, word } from "./kinds.ts";
import type { Word } from "./SyscallInterface.ts";

/** What a system call is called, what it takes and what it gives. */
export class SyscallDefinition {
  readonly name: SyscallName;
  readonly result: ResultKind;
  /**
   * What stands for the first word if it is not given: 0. A call that takes one has none, and is refused: 0 would be
   * standard input, the caller's own process group, or root.
   */
  readonly first: 0 | undefined;
  readonly #count: number;
  readonly #a: ArgumentKind;
  readonly #b: ArgumentKind;
  readonly #c: ArgumentKind;
  readonly #d: ArgumentKind;
  readonly #e: ArgumentKind;
  readonly #f: ArgumentKind;
  /** The machine that was asked for last, and the call's number there. */
  #abi: Abi | undefined;
  #number: number | undefined;

  constructor(
    name: SyscallName,
    result: ResultKind,
    args: ReadonlyArray<ArgumentKind>,
    needed = args.length,
  ) {
    const [a = word, b = word, c = word, d = word, e = word, f = word] = args;
    this.name = name;
    this.result = result;
    this.first = needed === 0 ? 0 : undefined;
    this.#count = args.length;
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
      this.#number = abi.syscallNumber(this.name);
      this.#abi = abi;
    }
    return this.#number;
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

  /** Which of the words it does not take, and why; undefined if there is none. */
  refusal(words: ReadonlyArray<Word>): string | undefined {
    const kinds = [this.#a, this.#b, this.#c, this.#d, this.#e, this.#f];
    for (const [i, kind] of kinds.slice(0, this.#count).entries()) {
      const value = words[i] as Word;
      if (!isOf(kind, value)) return `argument ${i + 1}, ${shown(value)}, is no ${kind.name}`;
    }
    return undefined;
  }
}

/** What is no word may be anything. */
const shown = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value !== null ? "an object" : String(value);
};

/** A call that is not known here: it may take any words, and give any result that a number holds exactly. */
export const unknownCall = (name: SyscallName): SyscallDefinition =>
  new SyscallDefinition(name, someOffset, [word, word, word, word, word, word], 0);

/** Whether all are words of 64 bits. */
export const areWords = (a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): boolean =>
  isOf(word, a) &&
  isOf(word, b) &&
  isOf(word, c) &&
  isOf(word, d) &&
  isOf(word, e) &&
  isOf(word, f);
