import { EPOLL, POLL } from "@rsyscall/abi";
import type { Epoller } from "@rsyscall/epoller";
import { type FileDescriptor, type HandleFailure, pollNow } from "@rsyscall/handle";
import { Deferred, Effect } from "effect";
import type { Recording } from "./Recording.ts";

/** Bytes that are read at a time: what a pipe holds. */
const READ_SIZE = 64 * 1024;

/**
 * Copies what a program writes to where it would have written it, and records it. It reads only when all that it has
 * read is written, so the program waits for a slow reader as it would without us. When the reader has gone, our end of
 * the program's pipe closes, and the program gets SIGPIPE.
 */
export class OutputTap {
  readonly #reader: FileDescriptor;
  readonly #sink: FileDescriptor | undefined;
  readonly #epoller: Epoller;
  readonly #ended = Deferred.makeUnsafe<void>();
  readonly #caughtUp = Deferred.makeUnsafe<void>();
  readonly #gone = Deferred.makeUnsafe<void>();
  #hasEnded = false;

  /** @param sink where the program would have written; undefined for /dev/null */
  constructor(reader: FileDescriptor, sink: FileDescriptor | undefined, epoller: Epoller) {
    this.#reader = reader;
    this.#sink = sink;
    this.#epoller = epoller;
  }

  /** Copies until the end: that of the last process that has the program's end of the pipe. */
  copy(fd: 1 | 2, recording: Recording): Effect.Effect<void, HandleFailure> {
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const sink = this.#sink;
        if (sink !== undefined)
          // The kernel always reports EPOLLERR and EPOLLHUP.
          yield* this.#epoller.watch(sink, () => Deferred.doneUnsafe(this.#gone, Effect.void), 0);
        const stops = Effect.as(Deferred.await(this.#gone), "gone" as const);
        for (;;) {
          if ((yield* pollNow(this.#reader, POLL.IN)) === 0) {
            if (this.#hasEnded) Deferred.doneUnsafe(this.#caughtUp, Effect.void);
            const readable = Effect.as(this.#epoller.waitFor(this.#reader, EPOLL.IN), "ready");
            const ended = this.#hasEnded
              ? Effect.never
              : Effect.as(Deferred.await(this.#ended), "ended" as const);
            if ((yield* Effect.raceAllFirst([readable, stops, ended])) === "gone") return;
            continue;
          }
          const bytes = yield* this.#reader.readBytes(READ_SIZE);
          if (bytes.length === 0) return;
          recording.add(fd, bytes);
          if (sink === undefined) continue;
          const written = Effect.as(sink.writeAllBytes(bytes), "written");
          if ((yield* Effect.raceFirst(written, stops)) === "gone") return;
        }
      }),
    ).pipe(
      // What cannot be written any more ends the copy, as the program's own write would have failed.
      Effect.ensuring(Effect.sync(() => Deferred.doneUnsafe(this.#caughtUp, Effect.void))),
    );
  }

  /** The program has ended: completes when all that it has written is where it belongs. */
  drained(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#hasEnded = true;
      Deferred.doneUnsafe(this.#ended, Effect.void);
      return Deferred.await(this.#caughtUp);
    });
  }
}
