import type { HandleFailure, PtyMaster } from "@rsyscall/handle";
import { catchErrno, oneLine } from "@rsyscall/near";
import { Effect, type Scope, type Sink, type Stream } from "effect";
import { AsyncFileDescriptor } from "./AsyncFileDescriptor.ts";
import type { Epoller } from "./Epoller.ts";
import { untilEmpty } from "./internal/streams.ts";

/**
 * The user's end of a pseudo-terminal, whose operations wait without blocking its task. It is at its end
 * when the other end is open no more.
 */
export class AsyncPty {
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
  ): Effect.Effect<AsyncPty, HandleFailure, Scope.Scope> {
    return Effect.map(AsyncFileDescriptor.make(epoller, master), (afd) => new AsyncPty(afd));
  }

  /** What programs have written: at most `size` bytes, as soon as there are some. Empty at the end. */
  readBytes(size?: number): Effect.Effect<Uint8Array, HandleFailure> {
    return this.#afd
      .readBytes(size)
      .pipe(catchErrno("EIO", () => Effect.succeed(new Uint8Array(0))));
  }

  /** What programs write, until the end. Nothing is read before it is asked for. */
  stream(size?: number): Stream.Stream<Uint8Array, HandleFailure> {
    return untilEmpty(this.readBytes(size));
  }

  /** Types all of the bytes, as fast as programs read them. */
  writeAllBytes(bytes: Uint8Array): Effect.Effect<void, HandleFailure> {
    return this.#afd.writeAllBytes(bytes);
  }

  /** Types what it is given: see `writeAllBytes`. The descriptor stays open. */
  get sink(): Sink.Sink<void, Uint8Array, never, HandleFailure> {
    return this.#afd.sink;
  }

  /** close(2): SIGHUP for the session, and the end of the terminal for programs that read it. */
  close(): Effect.Effect<void, HandleFailure> {
    return this.#afd.close();
  }
}

oneLine(AsyncPty, ({ handle }) => String(handle));
