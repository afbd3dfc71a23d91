import type { BorrowFailure, IoFailure, MallocFailure, PtyMaster } from "@rsyscall/handle";
import { catchErrno, oneLine } from "@rsyscall/near";
import { Effect, type Scope, type Sink, type Stream } from "effect";
import { AsyncFileDescriptor } from "./AsyncFileDescriptor.ts";
import type { Epoller } from "./Epoller.ts";
import { untilEmpty } from "./internal/streams.ts";

/**
 * The user's end of a pseudo-terminal, whose operations wait without blocking its task. Reads reach the end when no
 * process has the other end open.
 */
export class AsyncPty {
  /** The descriptor of the master, for calls that do not wait. */
  readonly handle: PtyMaster;
  readonly #afd: AsyncFileDescriptor<PtyMaster>;

  private constructor(afd: AsyncFileDescriptor<PtyMaster>) {
    this.handle = afd.handle;
    this.#afd = afd;
  }

  /** Registers a descriptor: see `AsyncFileDescriptor.make`. */
  static make(
    epoller: Epoller,
    master: PtyMaster,
  ): Effect.Effect<AsyncPty, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.map(AsyncFileDescriptor.make(epoller, master), (afd) => new AsyncPty(afd));
  }

  /** Reads what programs have written: at most `size` bytes, as soon as there are some. Empty at the end. */
  readBytes(size?: number): Effect.Effect<Uint8Array, IoFailure> {
    return this.#afd
      .readBytes(size)
      .pipe(catchErrno("EIO", () => Effect.succeed(new Uint8Array(0))));
  }

  /** Reads what programs write, until the end. Nothing is read before the stream is pulled. */
  stream(size?: number): Stream.Stream<Uint8Array, IoFailure> {
    return untilEmpty(this.readBytes(size));
  }

  /** Types all of the bytes, as fast as programs read them. */
  writeAllBytes(bytes: Uint8Array): Effect.Effect<void, IoFailure> {
    return this.#afd.writeAllBytes(bytes);
  }

  /** Types its input: see `writeAllBytes`. The descriptor stays open. */
  get sink(): Sink.Sink<void, Uint8Array, never, IoFailure> {
    return this.#afd.sink;
  }

  /** close(2): the session gets SIGHUP, and programs that read the terminal see its end. */
  close(): Effect.Effect<void, IoFailure> {
    return this.#afd.close();
  }
}

oneLine(AsyncPty, ({ handle }) => String(handle));
