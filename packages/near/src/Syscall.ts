import { Errno } from "@rsyscall/abi";
import { Effect, Effectable, Exit } from "effect";
import { SyscallError, type SyscallFailure } from "./errors.ts";
import { type Outcome, PendingCall } from "./PendingCall.ts";
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
  readonly #name: string;
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
   * @param name of the man page, and `subject`, what the call is about: for errors
   * @param decode makes an `A` of a result that is no error; else the result is one
   */
  constructor(
    sysif: SyscallInterface,
    name: string,
    subject: string | undefined,
    decode: ((result: number) => A) | undefined,
    number: number | undefined,
    a: Word = 0,
    b: Word = 0,
    c: Word = 0,
    d: Word = 0,
    e: Word = 0,
    f: Word = 0,
  ) {
    super();
    this.sysif = sysif;
    this.#name = name;
    this.#subject = subject;
    this.#decode = decode;
    this.#number = number;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#e = e;
    this.#f = f;
  }

  /** Submits the call, and `settle` has to follow. Undefined where that can only be done by an Effect. */
  submit(): Outcome | PendingCall | undefined {
    if (this.#number === undefined) return -Errno.ENOSYS;
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

  /** What the call has come to. */
  exit(outcome: Outcome): Exit.Exit<A, SyscallFailure> {
    if (typeof outcome === "object") return Exit.fail(outcome);
    if (isError(outcome)) return Exit.fail(SyscallError.from(this.#name, outcome, this.#subject));
    if (typeof outcome === "bigint")
      return Exit.die(
        new RangeError(`${this.#name} returned ${outcome}, which no number holds exactly`),
      );
    return Exit.succeed(this.decode(outcome));
  }

  /** What a result means that is no error. */
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
