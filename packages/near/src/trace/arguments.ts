import { type Abi, Errno, errnoMessage, errnoName } from "@rsyscall/abi";
import { transferred } from "../Result.ts";
import { type CallOutcome, isError } from "../Syscall.ts";
import type { AnyKind, SixWords, SyscallDefinition } from "../SyscallDefinition.ts";
import type { Word } from "../SyscallInterface.ts";
import type { Bytes } from "./SeenMemory.ts";
import {
  type Surroundings,
  shownEnvironment,
  shownEvents,
  shownMemory,
  sizeOf,
} from "./shownMemory.ts";
import { formatted, hex, address as shownAddress, shownWord } from "./shownWord.ts";
import { formatOf, shownCount, shownFlags } from "./special.ts";

/** Memory of a task. */
export interface Range {
  readonly address: number;
  readonly length: number;
}

/** An argument that is the address of memory that the kernel writes. */
interface Output extends Range {
  readonly index: number;
  readonly kind: AnyKind;
}

const overlap = (left: Range, right: Range): boolean =>
  left.address < right.address + right.length && right.address < left.address + left.length;

/**
 * The arguments of one call, as strace(1) shows them. Memory that the kernel reads is shown as it was at the
 * submission; memory that it fills in, as the program reads it.
 */
export class ShownArguments {
  readonly #definition: SyscallDefinition | undefined;
  readonly #words: SixWords;
  readonly #abi: Abi;
  readonly #texts: Array<string>;
  /** The memory that the kernel writes, in the order of the arguments. */
  readonly outputs: ReadonlyArray<Output>;
  /** The previous contents of memory that the kernel reads and writes. */
  readonly #before = new Map<number, string>();
  #reads: Array<{ readonly address: number; readonly bytes: Bytes }> = [];
  /** Undefined until the call ends, and if it has failed. */
  #result: number | undefined;
  #remark: string | undefined;
  #isSettled = false;

  /** @param definition undefined for an unknown number */
  constructor(
    definition: SyscallDefinition | undefined,
    words: SixWords,
    abi: Abi,
    at: (address: number) => Bytes | undefined,
  ) {
    this.#definition = definition;
    this.#words = words;
    this.#abi = abi;
    const outputs: Array<Output> = [];
    const surroundings: Surroundings = {
      abi,
      words,
      at,
      name: definition?.name ?? "",
    };
    this.#texts =
      definition?.kinds.slice(0, shownCount(definition.name, words, 6)).map((kind, index) => {
        const word = words[index] as Word;
        const { memory } = kind;
        if (memory === undefined)
          return shownWord(kind, formatOf(definition.name, index, words, kind), word, abi);
        const address = Number(word);
        if (address === 0) return "NULL";
        const { direction, content } = memory;
        if (direction !== "in") {
          const length = sizeOf(content, surroundings);
          if (length > 0) outputs.push({ address, length, index, kind });
        }
        if (direction === "out") return shownAddress(word);
        if (content.is === "strings" && kind.label.startsWith("env"))
          return shownEnvironment(address, surroundings);
        const text = shownMemory(content, address, surroundings);
        if (direction === "inout" && text !== undefined) this.#before.set(index, text);
        return text ?? shownAddress(word);
      }) ?? words.map(hex);
    this.outputs = outputs;
  }

  get texts(): ReadonlyArray<string> {
    return this.#texts;
  }

  /** The arguments before the first one that the kernel writes. */
  get inputs(): ReadonlyArray<string> {
    return this.#texts.slice(0, this.outputs[0]?.index);
  }

  /** Additional text after the result: the events of poll(2). */
  get remark(): string | undefined {
    return this.#remark;
  }

  writesTo(range: Range): boolean {
    return !this.#isSettled && this.outputs.some((output) => overlap(output, range));
  }

  /** Notes bytes that were read after the call. */
  read(address: number, bytes: Bytes): void {
    this.#reads.push({ address, bytes });
  }

  end(outcome: CallOutcome): void {
    if (typeof outcome === "number" && !isError(outcome)) this.#result = outcome;
  }

  /** Whether the call has filled in memory that was not read so far. */
  get lacksBytes(): boolean {
    if (this.#isSettled || this.#result === undefined) return false;
    return this.outputs.some(
      (output) =>
        !this.#reads.some(({ address, bytes: { length } }) =>
          overlap({ address, length }, { ...output, length: 1 }),
        ) && this.#sizeWritten(output) > 0,
    );
  }

  #sizeWritten({ kind, index }: Output): number {
    const content = kind.memory?.content;
    return content === undefined ? 0 : sizeOf(content, this.#surroundings(index));
  }

  #surroundings(index: number): Surroundings {
    const { result } = this.#definition as SyscallDefinition;
    const content = this.#definition?.kinds[index]?.memory?.content;
    const isCounted = result === (transferred as typeof result) && content?.is === "bytes";
    return {
      abi: this.#abi,
      words: this.#words,
      at: (address) => this.#readAt(address),
      name: (this.#definition as SyscallDefinition).name,
      result: this.#result,
      counted:
        isCounted && typeof content.length === "number"
          ? content.length
          : result.countedBy < 0
            ? undefined
            : result.countedBy,
    };
  }

  #readAt(address: number): Bytes | undefined {
    const found = this.#reads.findLast(
      ({ address: start, bytes }) => address >= start && address < start + bytes.length,
    );
    return found?.bytes.subarray(address - found.address);
  }

  /** Formats the bytes that were read, and drops them: no more bytes will be read. */
  settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    if (this.#result !== undefined && this.#definition !== undefined) {
      for (const { index, kind } of this.outputs) this.#show(index, kind);
    }
    this.#reads = [];
  }

  #show(index: number, { memory }: AnyKind): void {
    if (memory === undefined) return;
    const surroundings = this.#surroundings(index);
    const address = Number(this.#words[index]);
    const before = this.#before.get(index);
    const events = shownEvents(memory.content, address, surroundings);
    if (events !== undefined) this.#remark = events;
    // poll(2) does not change the other fields.
    if (events !== undefined && before !== undefined) return;
    const text = shownMemory(memory.content, address, surroundings);
    if (text === undefined || text === before) return;
    this.#texts[index] =
      before?.startsWith("[") && text.startsWith("[")
        ? `${before.slice(0, -1)} => ${text.slice(1)}`
        : text;
  }
}

/** Formats the outcome of a call as strace(1) does. */
export const shownResult = (
  definition: SyscallDefinition | undefined,
  words: SixWords,
  abi: Abi,
  outcome: CallOutcome | undefined,
): string => {
  if (outcome === undefined) return "?";
  if (typeof outcome === "object")
    return outcome._tag === "SyscallHangup" && outcome.byTask === true
      ? "?"
      : `? (${outcome._tag})`;
  if (isError(outcome)) {
    const name = errnoName(-outcome);
    const message = name in Errno ? ` (${errnoMessage(name)})` : "";
    return `-1 ${name}${message}`;
  }
  if (definition === undefined) return String(outcome);
  return (
    shownFlags(definition.name, words, Number(outcome), abi) ??
    formatted(definition.result.format, outcome)
  );
};
