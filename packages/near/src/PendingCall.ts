import type { Word } from "@rsyscall/native";
import type { ConnectionError } from "./errors.ts";
import { oneLine } from "./oneLine.ts";

/** The outcome of a call: the kernel's result, or the connection error because of which it is unknown. */
export type Outcome = Word | ConnectionError;

/** A call that was submitted. Its outcome arrives whether or not a fiber waits for it. */
export class PendingCall {
  /** The number of the system call, or operation. */
  readonly number: number;
  #outcome: Outcome | undefined;
  #onDone: ((outcome: Outcome) => void) | undefined;
  #observer: ((outcome: Outcome) => void) | undefined;

  constructor(number: number) {
    this.number = number;
  }

  /** Undefined until the call is done. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Whether a callback of `whenDone` is registered. */
  get isAwaited(): boolean {
    return this.#onDone !== undefined;
  }

  /** Calls back once with the outcome; immediately if the call is done. */
  whenDone(onDone: (outcome: Outcome) => void): void {
    if (this.#outcome === undefined) this.#onDone = onDone;
    else onDone(this.#outcome);
  }

  /** As `whenDone`, but called before it. An observer does not make the connection deliver the outcome sooner. */
  observe(observer: (outcome: Outcome) => void): void {
    const before = this.#observer;
    if (this.#outcome !== undefined) observer(this.#outcome);
    else if (before === undefined) this.#observer = observer;
    else
      this.#observer = (outcome) => {
        before(outcome);
        observer(outcome);
      };
  }

  /** For the interface that made the call. */
  complete(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#observer?.(outcome);
    this.#onDone?.(outcome);
  }
}

oneLine(
  PendingCall,
  ({ number, outcome }) => `call ${number}, ${outcome === undefined ? "pending" : "done"}`,
);
