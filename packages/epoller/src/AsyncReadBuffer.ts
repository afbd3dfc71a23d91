import type { Codec } from "@rsyscall/abi";
import { fsDecode, Uint64 } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import { Effect } from "effect";
import type { AsyncFileDescriptor } from "./AsyncFileDescriptor.ts";
import { EndOfFileError, MalformedError, TooLongError } from "./errors.ts";

export type ReadFailure = HandleFailure | EndOfFileError;

/**
 * Reads structured data from a stream. What was read past what was asked for stays for the next
 * read; one fiber at a time.
 */
export class AsyncReadBuffer {
  readonly #afd: AsyncFileDescriptor;
  /** Bytes that arrived and were not yet asked for. */
  #chunks: Array<Uint8Array> = [];
  #available = 0;

  /** @param first bytes that were read from the stream already */
  constructor(afd: AsyncFileDescriptor, first: Uint8Array = new Uint8Array(0)) {
    this.#afd = afd;
    if (first.length > 0) this.#chunks.push(first);
    this.#available = first.length;
  }

  /** Reads once more from the stream. False at its end. */
  readonly #fill: Effect.Effect<boolean, HandleFailure> = Effect.suspend(() =>
    // Bytes that have left the stream must get into the buffer, whatever becomes of the fiber.
    Effect.uninterruptibleMask((restore) =>
      Effect.map(restore(this.#afd.readBytes()), (bytes) => {
        if (bytes.length === 0) return false;
        this.#chunks.push(bytes);
        this.#available += bytes.length;
        return true;
      }),
    ),
  );

  #take(length: number): Uint8Array {
    const first = this.#chunks[0];
    this.#available -= length;
    if (first !== undefined && first.length > length) {
      this.#chunks[0] = first.subarray(length);
      return first.slice(0, length);
    }
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const chunk = this.#chunks[0] as Uint8Array;
      const part = chunk.subarray(0, length - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (part.length < chunk.length) this.#chunks[0] = chunk.subarray(part.length);
      else this.#chunks.shift();
    }
    return bytes;
  }

  /** Exactly `length` bytes. */
  readLength(length: number, reading = `${length} bytes`): Effect.Effect<Uint8Array, ReadFailure> {
    return Effect.suspend(() =>
      this.#available >= length
        ? Effect.succeed(this.#take(length))
        : Effect.flatMap(this.#fill, (more) =>
            more
              ? this.readLength(length, reading)
              : Effect.fail(new EndOfFileError({ reading, available: this.#available })),
          ),
    );
  }

  /** One value of a type of fixed size. */
  readStruct<A>(type: Codec<A> & { readonly size: number }): Effect.Effect<A, ReadFailure> {
    return Effect.map(this.readLength(type.size, type.name), (bytes) => type.decode(bytes));
  }

  /** A 64-bit length and so many bytes, at most `limit`. */
  readLengthPrefixed(
    limit: number,
    reading = "a length-prefixed string",
  ): Effect.Effect<Uint8Array, ReadFailure | TooLongError> {
    return Effect.flatMap(
      this.readLength(8, reading),
      (prefix): Effect.Effect<Uint8Array, ReadFailure | TooLongError> => {
        const length = Uint64.decode(prefix);
        return length <= BigInt(limit)
          ? this.readLength(Number(length), reading)
          : Effect.fail(new TooLongError({ reading, limit }));
      },
    );
  }

  /** So many strings, each with its 64-bit length; together at most `limit` bytes. */
  readLengthPrefixedArray(
    count: number,
    limit: number,
    reading = "an array of strings",
  ): Effect.Effect<Array<Uint8Array>, ReadFailure | TooLongError> {
    return Effect.gen({ self: this }, function* () {
      const strings: Array<Uint8Array> = [];
      let rest = limit;
      while (strings.length < count) {
        const bytes = yield* this.readLengthPrefixed(rest, reading);
        rest -= bytes.length;
        strings.push(bytes);
      }
      return strings;
    });
  }

  /** Up to a delimiter, which is consumed and not part of the result. Undefined at the end. */
  readUntilDelimiter(
    delimiter: Uint8Array,
    limit = 1024 * 1024,
    reading = "a delimited string",
  ): Effect.Effect<Uint8Array | undefined, ReadFailure | TooLongError> {
    return Effect.suspend(() => {
      if (this.#chunks.length > 1) {
        const all = this.#take(this.#available);
        this.#chunks = [all];
        this.#available = all.length;
      }
      const [chunk = new Uint8Array(0)] = this.#chunks;
      const at = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).indexOf(delimiter);
      if (at >= 0) {
        const bytes = this.#take(at + delimiter.length);
        return Effect.succeed(bytes.subarray(0, at));
      }
      if (this.#available > limit) return Effect.fail(new TooLongError({ reading, limit }));
      return Effect.flatMap(
        this.#fill,
        (more): Effect.Effect<Uint8Array | undefined, ReadFailure | TooLongError> => {
          if (more) return this.readUntilDelimiter(delimiter, limit, reading);
          return this.#available === 0
            ? Effect.succeed(undefined)
            : Effect.fail(new EndOfFileError({ reading, available: this.#available }));
        },
      );
    });
  }

  /**
   * A netstring, as in "5:hello,": a decimal length of at most 10 digits, a colon, so many bytes, a comma.
   * Undefined at the end.
   */
  readNetstring(
    limit = 1024 * 1024,
    reading = "a netstring",
  ): Effect.Effect<Uint8Array | undefined, ReadFailure | TooLongError | MalformedError> {
    return Effect.gen({ self: this }, function* () {
      const digits = yield* this.readUntilDelimiter(colon, 10, reading);
      if (digits === undefined) return undefined;
      const text = fsDecode(digits);
      if (!/^(0|[1-9]\d*)$/.test(text)) return yield* new MalformedError({ reading, found: text });
      if (Number(text) > limit) return yield* new TooLongError({ reading, limit });
      const bytes = yield* this.readLength(Number(text) + 1, reading);
      const last = fsDecode(bytes.subarray(-1));
      return last === ","
        ? bytes.subarray(0, -1)
        : yield* new MalformedError({ reading, found: last });
    });
  }

  /** A line without its newline, as text. Undefined at the end. */
  get readLine(): Effect.Effect<string | undefined, ReadFailure | TooLongError> {
    return Effect.map(this.readUntilDelimiter(newline, undefined, "a line"), (bytes) =>
      bytes === undefined ? undefined : fsDecode(bytes),
    );
  }
}

const newline = Uint8Array.of(10);
const colon = Uint8Array.of(58);
