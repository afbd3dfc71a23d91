import type { Abi } from "@rsyscall/abi";
import { definitionOfNumber } from "../define.ts";
import { oneLine } from "../oneLine.ts";
import type { CallOutcome } from "../Syscall.ts";
import type { SixWords, SyscallDefinition } from "../SyscallDefinition.ts";
import { type Range, ShownArguments, shownResult } from "./arguments.ts";
import type { Bytes } from "./SeenMemory.ts";
import { hex } from "./shownWord.ts";

/** The task in which a traced call is made. */
export interface TracedTask {
  /** The machine of the task. */
  readonly abi: Abi;
  /** The number of the process, as its parent sees it; undefined if it is not known. */
  readonly pid: number | undefined;
  /** Whether the calls are made by the thread that runs this program, which waits for each of them. */
  readonly isLocal: boolean;
}

let calls = 0;

/** A traced system call: its arguments, time and outcome. */
export class TracedCall {
  /** Counts the traced calls of this program, from 1. */
  readonly id: number = ++calls;
  /** The task in which it is made. */
  readonly task: TracedTask;
  /** The name in the man page; `syscall_0x1ff` for an unknown number. */
  readonly name: string;
  /** The number of the system call, on the machine of the task. */
  readonly number: number;
  /** The arguments as the kernel gets them; those that the call does not have are 0. */
  readonly words: SixWords;
  /** The number of calls of the task that were in flight when this one was submitted; it waits for them. */
  readonly behind: number;
  /** Milliseconds since 1970, with fractions. */
  readonly startTime: number;
  /** Undefined for a call that this library does not know. */
  readonly definition: SyscallDefinition | undefined;
  readonly #arguments: ShownArguments;
  #outcome: CallOutcome | undefined;
  #duration: number | undefined;

  /** @param seen gives the known bytes at an address of the task */
  constructor(
    task: TracedTask,
    number: number,
    words: SixWords,
    behind: number,
    seen: (address: number) => Bytes | undefined,
  ) {
    const definition = definitionOfNumber(task.abi, number)?.variant(...words);
    this.definition = definition;
    this.task = task;
    this.name = definition?.name ?? nameOf(task.abi, number);
    this.number = number;
    this.words = words;
    this.behind = behind;
    this.#arguments = new ShownArguments(definition, words, task.abi, seen);
    this.startTime = performance.timeOrigin + performance.now();
  }

  /** The kernel's result, or the reason why it is unknown. Undefined while the call is in flight. */
  get outcome(): CallOutcome | undefined {
    return this.#outcome;
  }

  /** Milliseconds from the submission to the result. Undefined while the call is in flight. */
  get duration(): number | undefined {
    return this.#duration;
  }

  /**
   * The arguments as strace(1) shows them. Memory that the kernel has filled in is shown as its address unless this
   * program has read it.
   */
  get arguments(): ReadonlyArray<string> {
    return this.#arguments.texts;
  }

  /** The `arguments` that were known at the submission: those before the first one that the kernel fills in. */
  get inputs(): ReadonlyArray<string> {
    return this.#arguments.inputs;
  }

  /** The result as strace(1) shows it: `-1 ENOENT (No such file or directory)`; `?` if it is unknown. */
  get result(): string {
    const { remark } = this.#arguments;
    const result = shownResult(this.definition, this.words, this.task.abi, this.#outcome);
    return remark === undefined ? result : `${result} (${remark})`;
  }

  /** The call as strace(1) shows it: `close(3) = 0`. */
  toString(): string {
    const call = `${this.name}(${this.arguments.join(", ")})`;
    return this.#outcome === undefined ? call : `${call} = ${this.result}`;
  }

  /** For the interface that traces. */
  end(outcome: CallOutcome): void {
    this.#duration = performance.timeOrigin + performance.now() - this.startTime;
    this.#outcome = outcome;
    this.#arguments.end(outcome);
  }

  /** For the interface that traces: whether the call is done, but lacks bytes that may still be read. */
  get lacksBytes(): boolean {
    return this.#arguments.lacksBytes;
  }

  /** For the interface that traces: memory that the kernel fills in. */
  get outputs(): ReadonlyArray<Range> {
    return this.#arguments.outputs;
  }

  /** For the interface that traces: whether the kernel writes to some of this memory. */
  writesTo(range: Range): boolean {
    return this.#arguments.writesTo(range);
  }

  /** For the interface that traces: notes bytes of the task that were read after the call. */
  read(address: number, bytes: Bytes): void {
    this.#arguments.read(address, bytes);
  }

  /** For the interface that traces: no more bytes will be read. */
  settle(): void {
    this.#arguments.settle();
  }
}

oneLine(TracedCall);

const nameOf = (abi: Abi, number: number): string => {
  const name = abi.syscallName(number);
  return name.startsWith("syscall_") ? `syscall_${hex(number)}` : name;
};
