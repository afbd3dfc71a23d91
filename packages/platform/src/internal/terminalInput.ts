import { StringDecoder } from "node:string_decoder";
import { EPOLL, POLL } from "@rsyscall/abi";
import { type FileDescriptor, type HandleFailure, pollNow } from "@rsyscall/handle";
import type { StubCall } from "@rsyscall/stub-server";
import { Effect, Semaphore, Terminal } from "effect";

/** The longest line, in UTF-16 code units. What is longer comes in pieces: stdin may be a pipe without end. */
const LONGEST_LINE = 1024 * 1024;

/** Stdin of a program, read as text. */
export class TerminalInput {
  readonly fd: FileDescriptor;
  #text = "";
  /** UTF-16 code units at the start of the text that are known to contain no end of a line. */
  #searched = 0;
  readonly #wait: Effect.Effect<void, HandleFailure>;
  readonly #decoder = new StringDecoder("utf8");
  /** Held by the reader: a second one must not take the input that the first one waits for. */
  readonly #reading = Semaphore.makeUnsafe(1);
  #reads = 0;
  /** The last line ended with a carriage return; a newline right behind it belongs to it. */
  #sawReturn = false;

  constructor({ thread }: StubCall) {
    const fd = thread.stdin;
    this.fd = fd;
    this.#wait = Effect.flatMap(pollNow(fd, POLL.IN), (events) =>
      events !== 0
        ? Effect.void
        : Effect.flatMap(thread.epoller(), (epoller) => epoller.waitFor(fd, EPOLL.IN)),
    );
  }

  /** Text that has arrived and was not taken. */
  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    this.#searched = 0;
  }

  /** Small pieces are searched one by one, and joined once: at the end of the line. */
  #append(piece: string): void {
    if (this.#searched === this.#text.length && !/[\r\n]/.test(piece))
      this.#searched += piece.length;
    this.#text += piece;
  }

  /**
   * Reads once: false at the end of the input, which a terminal may reach several times. An interruption
   * loses nothing that was read.
   */
  more(): Effect.Effect<boolean, HandleFailure> {
    return Effect.suspend(() => {
      const before = this.#reads;
      const read = Effect.map(this.fd.readBytes(), (bytes) => {
        this.#reads++;
        this.#append(bytes.length === 0 ? this.#decoder.end() : this.#decoder.write(bytes));
        return bytes.length > 0;
      });
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(this.#reading.take(1)), () =>
          Effect.ensuring(
            // Another process may have read it meanwhile.
            Effect.suspend(() =>
              this.#reads === before
                ? Effect.andThen(restore(this.#wait), read)
                : Effect.succeed(true),
            ),
            this.#reading.release(1),
          ),
        ),
      );
    });
  }

  /** Takes the next line, without its end. */
  line(): Effect.Effect<string, Terminal.QuitError> {
    return Effect.suspend(() => {
      if (this.#sawReturn && this.text.length > 0) {
        this.#sawReturn = false;
        if (this.text.startsWith("\n")) this.text = this.text.slice(1);
      }
      const { length } = this.text;
      if (this.#searched < length) {
        const end = /\r\n|\n|\r/.exec(this.text);
        if (end !== null && end.index <= LONGEST_LINE)
          return Effect.succeed(this.#take(end.index, end[0]));
        if (end === null) this.#searched = length;
      }
      if (length >= LONGEST_LINE) return Effect.succeed(this.#take(LONGEST_LINE, ""));
      return Effect.matchEffect(this.more(), {
        onFailure: () => Effect.fail(new Terminal.QuitError({})),
        onSuccess: (more) => {
          if (more) return this.line();
          return this.text.length > 0
            ? Effect.succeed(this.#take(this.text.length, ""))
            : Effect.fail(new Terminal.QuitError({}));
        },
      });
    });
  }

  #take(length: number, end: string): string {
    const line = this.text.slice(0, length);
    this.text = this.text.slice(length + end.length);
    this.#sawReturn = end === "\r" && this.text.length === 0;
    return line;
  }
}
