import type { Fd, SyscallFailure } from "@rsyscall/near";
import { type Cause, Effect, Exit } from "effect";

/** A file at our end of a transfer. After its first failure it is left alone. */
export class FileEnd<E> {
  readonly #file: Effect.Effect<Fd, E>;
  #failure: Cause.Cause<E | SyscallFailure> | undefined;
  #count = 0;
  #hasEnded = false;

  constructor(file: Effect.Effect<Fd, E>) {
    this.#file = file;
  }

  fail(failure: Cause.Cause<E | SyscallFailure>): void {
    this.#failure ??= failure;
  }

  /** The number of bytes, or the failure. */
  get result(): Effect.Effect<number, E | SyscallFailure> {
    return this.#failure === undefined
      ? Effect.succeed(this.#count)
      : Effect.failCause(this.#failure);
  }

  /** Makes a call with the file. Gives the number of bytes: 0 at its end, and after a failure. */
  attempt(call: (fd: Fd) => Effect.Effect<number, SyscallFailure>): Effect.Effect<number> {
    if (this.#hasEnded || this.#failure !== undefined) return Effect.succeed(0);
    return Effect.map(Effect.exit(Effect.flatMap(this.#file, call)), (exit) => {
      if (Exit.isFailure(exit)) {
        this.fail(exit.cause);
        return 0;
      }
      this.#count += exit.value;
      this.#hasEnded = exit.value === 0;
      return exit.value;
    });
  }
}
