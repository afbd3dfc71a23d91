import { Errno } from "@rsyscall/abi";
import { Effect, Effectable, Exit } from "effect";
import { type InvalidArgumentError, SyscallError, type SyscallFailure } from "./errors.ts";
import { impossible } from "./impossible.ts";
import { type Outcome, PendingCall } from "./PendingCall.ts";
import type { SyscallDefinition } from "./SyscallDefinition.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/** The kernel's results from -4095 to -1 are errnos. */
export const isError = (result: Word): result is number =>
  typeof result === "number" && result < 0 && result >= -4095;

/** What a call has come to; or why it was not even submitted. */
export type CallOutcome = Outcome | InvalidArgumentError;

/**
 * A system call: an Effect that makes it, and that can be part of a `batch`. Where the result comes at
 * once, running it is a single step. See `define`, which makes functions that give it.
 */
export class Syscall<out A> extends Effectable.Class<A, SyscallFailure> {
  /** Where the call is made. */
  readonly sysif: SyscallInterface;
  readonly #definition: SyscallDefinition;
  readonly #a: Word;
  readonly #b: Word;
  readonly #c: Word;
  readonly #d: Word;
  readonly #e: Word;
  readonly #f: Word;
  /** What the call is about, if the caller knows it better than the definition. */
  #subject: string | (() => string) | undefined;

  /**
   * A word that is missing is none, and refused.
   *
   * @param definition what the call takes and gives: what is not so is refused, on the way there and back
   */
  constructor(
    sysif: SyscallInterface,
    definition: SyscallDefinition,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
  ) {
    super();
    this.sysif = sysif;
    this.#definition = definition;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#e = e;
    this.#f = f;
  }

  /** The same call, with what its errors say it is about. A function is only called for an error. */
  about(subject: string | (() => string)): this {
    this.#subject = subject;
    return this;
  }

  /** Of the man page. */
  get name(): string {
    return this.#definition.name;
  }

  /** What the call is about, for errors. */
  get subject(): string | undefined {
    const subject = this.#subject;
    if (subject === undefined) return this.#definition.about(this.#words);
    return typeof subject === "string" ? subject : subject();
  }

  /**
   * Submits the call, and `settle` has to follow. Undefined where that can only be done by an Effect. What the
   * kernel would take for something else is not submitted.
   */
  submit(): CallOutcome | PendingCall | undefined {
    const number = this.#definition.numberOn(this.sysif.abi);
    if (number === undefined) return -Errno.ENOSYS;
    if (!this.#isSound) return this.#definition.refusal(this.#words);
    return this.sysif.direct?.submit(number, this.#a, this.#b, this.#c, this.#d, this.#e, this.#f);
  }

  get #words(): ReadonlyArray<Word> {
    return [this.#a, this.#b, this.#c, this.#d, this.#e, this.#f];
  }

  get #isSound(): boolean {
    return this.#definition.takes(this.#a, this.#b, this.#c, this.#d, this.#e, this.#f);
  }

  /** What the call has come to. */
  exit(outcome: CallOutcome): Exit.Exit<A, SyscallFailure> {
    return this.succeeds(outcome)
      ? Exit.succeed(this.decode(outcome))
      : Exit.fail(this.#failure(outcome));
  }

  /** Whether an outcome is a result of this call. The task may lie: then it need be none. */
  succeeds(outcome: CallOutcome): outcome is number {
    const { least, most, countedBy } = this.#definition.result;
    return (
      typeof outcome === "number" &&
      outcome >= least &&
      !isError(outcome) &&
      outcome <= (countedBy < 0 ? most : this.#word(countedBy))
    );
  }

  #word(index: number): Word {
    switch (index) {
      case 0:
        return this.#a;
      case 1:
        return this.#b;
      case 2:
        return this.#c;
      case 3:
        return this.#d;
      case 4:
        return this.#e;
      default:
        return this.#f;
    }
  }

  #failure(outcome: CallOutcome): SyscallFailure {
    if (typeof outcome === "object") return outcome;
    const { name, result } = this.#definition;
    if (isError(outcome)) return SyscallError.from(name, outcome, this.subject);
    const { least, most, countedBy } = result;
    if (countedBy < 0 && most === Number.MAX_SAFE_INTEGER && outcome > 0)
      return SyscallError.of(
        name,
        "EOVERFLOW",
        this.subject,
        `${outcome} is more than a number holds exactly`,
      );
    const limit = countedBy < 0 ? most : this.#word(countedBy);
    const range = `and can only say a number from ${least} to ${limit}`;
    return impossible(name, this.subject, `the task says ${outcome}, ${range}`);
  }

  /** What a result means. */
  decode(result: number): A {
    const { decode } = this.#definition.result;
    return (decode === undefined ? result : decode(result)) as A;
  }

  /** What a call comes to that was submitted. Not interruptible: its result must not be lost. */
  wait(submitted: CallOutcome | PendingCall): Effect.Effect<A, SyscallFailure> {
    if (!(submitted instanceof PendingCall)) return this.exit(submitted);
    return submitted.outcome !== undefined
      ? this.exit(submitted.outcome)
      : Effect.uninterruptible(
          Effect.callback<A, SyscallFailure>((resume) =>
            // An error is made where the fiber runs: it asks it where it has come from.
            submitted.whenDone((outcome) => resume(Effect.suspend(() => this.exit(outcome)))),
          ),
        );
  }

  /** Makes the call by an Effect, where it cannot be submitted. */
  perform(): Effect.Effect<CallOutcome> {
    const number = this.#definition.numberOn(this.sysif.abi);
    if (number === undefined) return Effect.succeed(-Errno.ENOSYS);
    if (!this.#isSound) return Effect.succeed(this.#definition.refusal(this.#words));
    return Effect.catch(
      this.sysif.syscall(number, this.#a, this.#b, this.#c, this.#d, this.#e, this.#f),
      (error): Effect.Effect<CallOutcome> => Effect.succeed(error),
    );
  }

  asEffect(): Effect.Effect<A, SyscallFailure> {
    const submitted = this.submit();
    if (submitted === undefined)
      return Effect.flatMap(this.perform(), (outcome) => this.exit(outcome));
    if (submitted instanceof PendingCall) this.sysif.direct?.settle();
    return this.wait(submitted);
  }
}
