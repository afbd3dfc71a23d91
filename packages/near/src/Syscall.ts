import { Errno } from "@rsyscall/abi";
import { Effect, Effectable, Exit } from "effect";
import { SyscallError, type SyscallFailure } from "./errors.ts";
import { about, impossible } from "./impossible.ts";
import { type Outcome, PendingCall } from "./PendingCall.ts";
import type { SyscallDefinition } from "./SyscallDefinition.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/** The kernel's results from -4095 to -1 are errnos. */
export const isError = (result: Word): result is number =>
  typeof result === "number" && result < 0 && result >= -4095;

/**
 * A system call: an Effect that makes it, and that can be part of a `batch`. Where the result comes at
 * once, running it is a single step. See `call`, which makes it.
 */
export class Syscall<out A> extends Effectable.Class<A, SyscallFailure> {
  /** Where the call is made. */
  readonly sysif: SyscallInterface;
  readonly #definition: SyscallDefinition;
  readonly #subject: string | undefined;
  readonly #decode: ((result: number) => A) | undefined;
  /** Undefined where the task's machine does not have the call. */
  readonly #number: number | undefined;
  readonly #a: Word;
  readonly #b: Word;
  readonly #c: Word;
  readonly #d: Word;
  readonly #e: Word;
  readonly #f: Word;

  /**
   * @param definition what the call takes and gives: what is not so is refused, on the way there and back
   * @param subject what the call is about, for errors
   * @param decode makes an `A` of a result; else the result is one
   * @param number in place of that of the definition: an operation of the server
   */
  constructor(
    sysif: SyscallInterface,
    definition: SyscallDefinition,
    subject: string | undefined,
    decode: ((result: number) => A) | undefined,
    number = definition.numberOn(sysif.abi),
    a: Word | undefined = definition.first,
    b: Word = 0,
    c: Word = 0,
    d: Word = 0,
    e: Word = 0,
    f: Word = 0,
  ) {
    super();
    this.sysif = sysif;
    this.#definition = definition;
    this.#subject = subject;
    this.#decode = decode;
    this.#number = number;
    // What is missing is no word, and refused before it is submitted.
    this.#a = a as Word;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#e = e;
    this.#f = f;
  }

  /** Of the man page. */
  get name(): string {
    return this.#definition.name;
  }

  /** What the call is about, for errors. */
  get subject(): string | undefined {
    return this.#subject;
  }

  /**
   * Submits the call, and `settle` has to follow. Undefined where that can only be done by an Effect. What the
   * kernel would take for something else is not submitted.
   */
  submit(): Outcome | PendingCall | undefined {
    if (this.#number === undefined) return -Errno.ENOSYS;
    if (!this.#isSound) return -Errno.EINVAL;
    return this.sysif.direct?.submit(
      this.#number,
      this.#a,
      this.#b,
      this.#c,
      this.#d,
      this.#e,
      this.#f,
    );
  }

  get #words(): ReadonlyArray<Word> {
    return [this.#a, this.#b, this.#c, this.#d, this.#e, this.#f];
  }

  get #isSound(): boolean {
    return this.#definition.takes(this.#a, this.#b, this.#c, this.#d, this.#e, this.#f);
  }

  /** What the call has come to. */
  exit(outcome: Outcome): Exit.Exit<A, SyscallFailure> {
    return this.succeeds(outcome)
      ? Exit.succeed(this.decode(outcome))
      : Exit.fail(this.#failure(outcome));
  }

  /** Whether an outcome is a result of this call. The task may lie: then it need be none. */
  succeeds(outcome: Outcome): outcome is number {
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

  #failure(outcome: Outcome): SyscallFailure {
    if (typeof outcome === "object") return outcome;
    const { name } = this.#definition;
    if (isError(outcome)) {
      const refusal = outcome === -Errno.EINVAL ? this.#definition.refusal(this.#words) : undefined;
      const subject = refusal === undefined ? this.#subject : about(this.#subject, refusal);
      return SyscallError.from(name, outcome, subject);
    }
    const { least, most, countedBy } = this.#definition.result;
    if (countedBy < 0 && most === Number.MAX_SAFE_INTEGER && outcome > 0) {
      const remark = `${outcome} is more than a number holds exactly`;
      return SyscallError.of(name, "EOVERFLOW", about(this.#subject, remark));
    }
    const limit = countedBy < 0 ? most : this.#word(countedBy);
    const range = `and can only say a number from ${least} to ${limit}`;
    return impossible(name, this.#subject, `the task says ${outcome}, ${range}`);
  }

  /** What a result means. */
  decode(result: number): A {
    return this.#decode === undefined ? (result as A) : this.#decode(result);
  }

  /** What a call comes to that was submitted. Not interruptible: its result must not be lost. */
  wait(submitted: Outcome | PendingCall): Effect.Effect<A, SyscallFailure> {
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
  perform(): Effect.Effect<Outcome> {
    if (this.#number === undefined) return Effect.succeed(-Errno.ENOSYS);
    if (!this.#isSound) return Effect.succeed(-Errno.EINVAL);
    const { sysif } = this;
    return Effect.catch(
      sysif.syscall(this.#number, this.#a, this.#b, this.#c, this.#d, this.#e, this.#f),
      (error): Effect.Effect<Outcome> => Effect.succeed(error),
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
