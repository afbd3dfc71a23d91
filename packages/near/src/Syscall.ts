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

/** How often a call is made again at most: a task that lies might say EINTR for ever. */
const MOST_RESTARTS = 100;

/** The outcome of a call, or the reason why it was not submitted. */
export type CallOutcome = Outcome | InvalidArgumentError;

/**
 * A system call: an Effect that makes it, and that can be part of a `batch`. If the result is available
 * immediately, running it is a single step. See `define`, which makes functions that return it.
 */
export class Syscall<out A> extends Effectable.Class<A, SyscallFailure> {
  /** The interface through which the call is made. */
  readonly sysif: SyscallInterface;
  readonly #definition: SyscallDefinition;
  readonly #a: Word;
  readonly #b: Word;
  readonly #c: Word;
  readonly #d: Word;
  readonly #e: Word;
  readonly #f: Word;
  /** The subject of the call, if the caller knows it better than the definition. */
  #subject: string | (() => string) | undefined;

  /**
   * A missing word is refused.
   *
   * @param definition the arguments and results that are possible: other arguments, and other results, are refused
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

  /** Sets the subject that errors of this call name. A function is only called for an error. */
  about(subject: string | (() => string)): this {
    this.#subject = subject;
    return this;
  }

  /** The name of the call, as in its man page. */
  get name(): string {
    return this.#definition.name;
  }

  /** The subject of the call, for errors. */
  get subject(): string | undefined {
    const subject = this.#subject;
    if (subject === undefined) return this.#definition.about(this.#words);
    return typeof subject === "string" ? subject : subject();
  }

  /**
   * Submits the call; the caller must then call `settle`. Undefined if only an Effect can make the call. Arguments
   * that the kernel would misread are not submitted.
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

  /** Converts an outcome to the exit of the Effect. */
  exit(outcome: CallOutcome): Exit.Exit<A, SyscallFailure> {
    return this.succeeds(outcome)
      ? Exit.succeed(this.decode(outcome))
      : Exit.fail(this.#failure(outcome));
  }

  /** Whether an outcome is a possible result of this call. A task that lies may give another one. */
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

  /** Decodes a result. */
  decode(result: number): A {
    const { decode } = this.#definition.result;
    return (decode === undefined ? result : decode(result)) as A;
  }

  /** Waits for a submitted call. Not interruptible: its result must not be lost. */
  wait(submitted: CallOutcome | PendingCall): Effect.Effect<A, SyscallFailure> {
    return this.#after(submitted, 0);
  }

  #after(submitted: CallOutcome | PendingCall, restarts: number): Effect.Effect<A, SyscallFailure> {
    if (!(submitted instanceof PendingCall)) return this.#end(submitted, restarts);
    return submitted.outcome !== undefined
      ? this.#end(submitted.outcome, restarts)
      : Effect.uninterruptible(
          Effect.callback<A, SyscallFailure>((resume) =>
            // The error must be made while the fiber runs, because its stack is read from the fiber.
            submitted.whenDone((outcome) =>
              resume(Effect.suspend(() => this.#end(outcome, restarts))),
            ),
          ),
        );
  }

  /** The exit; or makes the call again, at most `restarts` times, if a signal has interrupted it. */
  #end(outcome: CallOutcome, restarts: number): Effect.Effect<A, SyscallFailure> {
    return outcome === -Errno.EINTR && restarts > 0 && this.#definition.restarts
      ? Effect.suspend(() => this.#make(restarts - 1))
      : this.exit(outcome);
  }

  /** Makes the call by an Effect, if it cannot be submitted. */
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
    return this.#make(MOST_RESTARTS);
  }

  #make(restarts: number): Effect.Effect<A, SyscallFailure> {
    const submitted = this.submit();
    if (submitted === undefined)
      return Effect.flatMap(this.perform(), (outcome) => this.#end(outcome, restarts));
    if (submitted instanceof PendingCall) this.sysif.direct?.settle();
    return this.#after(submitted, restarts);
  }
}
