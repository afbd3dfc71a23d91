import { EPOLL, Int32, MSG, POLL, SPLICE_F, TIOC } from "@rsyscall/abi";
import type { Epoller } from "@rsyscall/epoller";
import {
  type HandleFailure,
  type PipeReader,
  type PipeWriter,
  pollNow,
  Socket,
} from "@rsyscall/handle";
import { catchErrno, ioctl, recv, tee } from "@rsyscall/near";
import { Deferred, Effect } from "effect";
import type { Recording } from "./Recording.ts";

/** Bytes that are offered to the program at a time: what one place of a pipe holds. */
const OFFER = 4096;

/**
 * Gives a program its input, and records what it takes. The program gets a copy, and the input loses what the program
 * has read, and no more: what follows is still there for the next program, as in `while read line; do git ...; done`.
 *
 * The copy is in a pipe with a single place. Such a pipe can be written to if and only if it is empty, so epoll tells
 * when the program has read all of it.
 */
export class InputTap {
  readonly #input: PipeReader | Socket;
  readonly #writer: PipeWriter;
  readonly #epoller: Epoller;
  readonly #ended = Deferred.makeUnsafe<void>();
  #hasEnded = false;
  /** Bytes in the pipe that are in the input too. */
  #offered = 0;

  /** @param writer the end of a pipe whose size is one page */
  constructor(input: PipeReader | Socket, writer: PipeWriter, epoller: Epoller) {
    this.#input = input;
    this.#writer = writer;
    this.#epoller = epoller;
  }

  /** Feeds the program until its end, or that of its input. */
  feed(recording: Recording): Effect.Effect<void, HandleFailure> {
    return Effect.gen({ self: this }, function* () {
      while (!this.#hasEnded) {
        yield* this.#until(this.#epoller.waitFor(this.#input, EPOLL.IN));
        if (this.#hasEnded) break;
        const offered = yield* this.#offer();
        if (offered === "nothing") continue;
        if (offered === "closed") break;
        if (offered === 0) {
          recording.readAll = true;
          break;
        }
        this.#offered = offered;
        yield* this.#until(this.#epoller.waitFor(this.#writer, EPOLL.OUT));
        const left = yield* this.#left();
        yield* this.#take(recording, this.#offered - left);
        // It is written to no more if the program has closed its stdin, or has ended.
        if (left > 0) return;
      }
      yield* this.#take(recording, this.#offered - (yield* this.#left()));
    }).pipe(Effect.ensuring(Effect.ignore(this.#writer.close())));
  }

  /** The program has ended. */
  end(): void {
    this.#hasEnded = true;
    Deferred.doneUnsafe(this.#ended, Effect.void);
  }

  #until(ready: Effect.Effect<void, HandleFailure>): Effect.Effect<void, HandleFailure> {
    return Effect.raceFirst(ready, Deferred.await(this.#ended));
  }

  /**
   * Copies what is in the input now. 0 at its end; `nothing` if another process has taken it; `closed` if the program
   * has closed its stdin.
   */
  #offer(): Effect.Effect<number | "nothing" | "closed", HandleFailure> {
    const input = this.#input;
    const { sysif } = input.task;
    const copied: Effect.Effect<number, HandleFailure> =
      input instanceof Socket
        ? Effect.flatMap(input.number(), (fd) =>
            input.task.withMemory(OFFER, 1, (at) =>
              Effect.flatMap(recv(sysif, fd, at, OFFER, MSG.PEEK | MSG.DONTWAIT), (count) =>
                count === 0
                  ? Effect.succeed(0)
                  : Effect.flatMap(sysif.read(at, count), (bytes) =>
                      Effect.as(this.#writer.writeAllBytes(bytes), count),
                    ),
              ),
            ),
          )
        : Effect.flatMap(Effect.all([input.number(), this.#writer.number()]), ([from, to]) =>
            tee(sysif, from, to, OFFER, SPLICE_F.NONBLOCK),
          );
    return copied.pipe(
      catchErrno("EAGAIN", () => Effect.succeed("nothing" as const)),
      catchErrno("EPIPE", () => Effect.succeed("closed" as const)),
    );
  }

  /** Bytes of the pipe that the program has not read. */
  #left(): Effect.Effect<number, HandleFailure> {
    const { task } = this.#writer;
    return Effect.flatMap(this.#writer.number(), (fd) =>
      task.withResult(Int32, (at) => ioctl(task.sysif, fd, TIOC.INQ, at)),
    );
  }

  /** Takes from the input what the program has read. */
  #take(recording: Recording, count: number): Effect.Effect<void, HandleFailure> {
    return Effect.gen({ self: this }, function* () {
      this.#offered -= count;
      for (let left = count; left > 0; ) {
        // Another process that has the same input may have been faster.
        if (((yield* pollNow(this.#input, POLL.IN)) & POLL.IN) === 0) return;
        const bytes = yield* this.#input.readBytes(left);
        if (bytes.length === 0) return;
        recording.add(0, bytes);
        left -= bytes.length;
      }
    });
  }
}
