import type { Word } from "@rsyscall/native";
import type { ConnectionError } from "./errors.ts";
import { oneLine } from "./oneLine.ts";

/** What becomes of a call: what the kernel returned, or why nobody knows. */
export type Outcome = Word | ConnectionError;

/** A call that was submitted. Its outcome comes, whether somebody waits for it or not. */
export class PendingCall {
  /** The number of the system call, or operation. */
  readonly number: number;
  #outcome: Outcome | undefined;
  #onDone: ((outcome: Outcome) => void) | undefined;
  #observer: ((outcome: Outcome) => void) | undefined;

  constructor(number: number) {
    this.number = number;
  }

  /** Undefined as long as the call is not done. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Whether somebody is called back. */
  get isAwaited(): boolean {
    return this.#onDone !== undefined;
  }

  /** Calls back once, with the outcome: now, if it is there. */
  whenDone(onDone: (outcome: Outcome) => void): void {
    if (this.#outcome === undefined) this.#onDone = onDone;
    else onDone(this.#outcome);
  }

  /** As `whenDone`, and before it. An observer does not await the call: the connection may take its time with it. */
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
