import { type Fd, isError, SyscallError, type SyscallFailure, type Word } from "@rsyscall/near";
import { Cause, Effect, Exit } from "effect";

/** A file at our end of a transfer. After its first failure it is left alone. */
export class FileEnd<E> {
  readonly #file: Effect.Effect<Fd, E>;
  #failure: Cause.Cause<E | SyscallFailure> | undefined;
  #count = 0;
  #hasEnded = false;

  constructor(file: Effect.Effect<Fd, E>) {
    this.#file = file;
  }

  /** Its descriptor; undefined if there is nothing more to do with it. */
  get fd(): Effect.Effect<Fd | undefined> {
    return this.#isOver
      ? Effect.succeed(undefined)
      : Effect.map(Effect.exit(this.#file), (exit) => {
          if (Exit.isSuccess(exit)) return exit.value;
          this.fail(exit.cause);
          return undefined;
        });
  }

  get #isOver(): boolean {
    return this.#hasEnded || this.#failure !== undefined;
  }

  /** Makes calls until all bytes are read or written. Gives how many were. */
  move(name: "pread64" | "pwrite64", fd: Fd, size: number, call: (done: number) => Word): number {
    let done = 0;
    while (done < size && !this.#isOver) {
      const result = call(done);
      if (isError(result)) this.fail(Cause.fail(SyscallError.from(name, result, `fd ${fd}`)));
      else {
        done += Number(result);
        this.#hasEnded = Number(result) === 0;
      }
    }
    this.#count += done;
    return done;
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
}
