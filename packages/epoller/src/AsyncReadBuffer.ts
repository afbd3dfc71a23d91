import { type FixedCodec, fsDecode, Uint64 } from "@rsyscall/abi";
import type { IoFailure } from "@rsyscall/handle";
import { InvalidArgumentError, oneLine } from "@rsyscall/near";
import { Effect } from "effect";
import type { AsyncFileDescriptor } from "./AsyncFileDescriptor.ts";
import { EndOfFileError, MalformedError, TooLongError } from "./errors.ts";

/** What a read of a whole item can fail with: the kernel's error, or the end of the stream in the middle. */
export type ReadFailure = IoFailure | EndOfFileError;

/** The number of bytes of one read. */
const READ_SIZE = 65536;

/**
 * Reads structured data from a stream. Bytes that were read ahead stay for the next read. Only one fiber at a time
 * may use it.
 *
 * If the stream ends in the middle of an item, the read fails with an EndOfFileError, which names the item; its bytes
 * can still be read as something else. If the stream ends before the item, reads of items that may repeat (delimited
 * strings, lines, netstrings) give undefined. An invalid length or limit is an InvalidArgumentError.
 *
 * @example
 * ```ts
 * import { AsyncReadBuffer } from "@rsyscall/epoller";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const [reader, writer] = yield* thread.pipe();
 *   yield* writer.writeAllText("GET /\n5:hello,");
 *   const buffer = new AsyncReadBuffer(yield* thread.makeAfd(reader));
 *   console.log(yield* buffer.readLine()); // GET /
 *   console.log(new TextDecoder().decode(yield* buffer.readNetstring())); // hello
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class AsyncReadBuffer {
  readonly #afd: Pick<AsyncFileDescriptor, "takeBytes">;
  /** The bytes that were read ahead are from `#start` to `#end`. */
  #bytes: Uint8Array;
  #start = 0;
  #end: number;

  /** @param first bytes that were read from the stream already */
  constructor(afd: Pick<AsyncFileDescriptor, "takeBytes">, first: Uint8Array = new Uint8Array(0)) {
    this.#afd = afd;
    this.#bytes = first;
    this.#end = first.length;
  }

  get #available(): number {
    return this.#end - this.#start;
  }

  /** Reads once more from the stream. False at its end. */
  readonly #fill: Effect.Effect<boolean, IoFailure> = Effect.suspend(() =>
    this.#afd.takeBytes(READ_SIZE, (bytes) => {
      if (bytes.length > 0) this.#append(bytes);
      return bytes.length > 0;
    }),
  );

  #append(bytes: Uint8Array): void {
    const available = this.#available;
    if (available === 0) {
      this.#bytes = bytes;
      this.#start = 0;
      this.#end = bytes.length;
      return;
    }
    if (this.#end + bytes.length > this.#bytes.length) {
      // Twice as large as needed, so that a stream that arrives byte by byte is not copied for each byte. Never
      // in place, because the bytes may belong to the caller.
      const larger = new Uint8Array(2 * (available + bytes.length));
      larger.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = larger;
      this.#start = 0;
      this.#end = available;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  #take(length: number): Uint8Array {
    const bytes = this.#bytes.slice(this.#start, this.#start + length);
    this.#start += length;
    return bytes;
  }

  /** Reads exactly `length` bytes. */
  readLength(length: number, reading = `${length} bytes`): Effect.Effect<Uint8Array, ReadFailure> {
    if (!isSize(length)) return invalid("length", length, SIZE);
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

  /** Reads one value of a type of fixed size; a MalformedError if the bytes are not a value of the type. */
  readStruct<A>(
    type: FixedCodec<A>,
    reading = type.name,
  ): Effect.Effect<A, ReadFailure | MalformedError> {
    return Effect.flatMap(this.readLength(type.size, reading), (bytes) =>
      Effect.try({
        try: () => type.decode(bytes),
        catch: () => new MalformedError({ reading, found: Buffer.from(bytes).toString("hex") }),
      }),
    );
  }

  /** Reads a 64-bit length and that number of bytes, at most `limit`. */
  readLengthPrefixed(
    limit: number,
    reading = "a length-prefixed string",
  ): Effect.Effect<Uint8Array, ReadFailure | TooLongError> {
    if (Number.isNaN(limit)) return invalid("limit", limit, LIMIT);
    return Effect.flatMap(
      this.readLength(8, reading),
      (prefix): Effect.Effect<Uint8Array, ReadFailure | TooLongError> => {
        const length = Uint64.decode(prefix);
        return length <= limit
          ? this.readLength(Number(length), reading)
          : Effect.fail(new TooLongError({ reading, limit }));
      },
    );
  }

  /**
   * Reads `count` strings, each with its 64-bit length; together at most `limit` bytes. Only `count` bounds the
   * number of empty strings: check it if it comes from the peer.
   */
  readLengthPrefixedArray(
    count: number,
    limit: number,
    reading = "an array of strings",
  ): Effect.Effect<Array<Uint8Array>, ReadFailure | TooLongError> {
    if (!isSize(count)) return invalid("count", count, SIZE);
    return Effect.gen({ self: this }, function* () {
      const strings: Array<Uint8Array> = [];
      let rest = limit;
      while (strings.length < count) {
        const one = `string ${strings.length + 1} of ${count} of ${reading}`;
        const bytes = yield* Effect.catchTag(
          this.readLengthPrefixed(rest, one),
          "TooLongError",
          () => Effect.fail(new TooLongError({ reading, limit })),
        );
        rest -= bytes.length;
        strings.push(bytes);
      }
      return strings;
    });
  }

  /**
   * Reads an environment: `count` strings NAME=value, as `readLengthPrefixedArray` reads them. Of several with the
   * same name, the first counts, as in getenv(3). A string without a name is a MalformedError.
   */
  readEnvp(
    count: number,
    limit: number,
    reading = "an environment",
  ): Effect.Effect<ReadonlyMap<string, string>, ReadFailure | TooLongError | MalformedError> {
    return Effect.flatMap(
      this.readLengthPrefixedArray(count, limit, reading),
      (strings): Effect.Effect<ReadonlyMap<string, string>, MalformedError> => {
        const variables = new Map<string, string>();
        for (const bytes of strings) {
          const text = fsDecode(bytes);
          const equals = text.indexOf("=");
          if (equals <= 0) return Effect.fail(new MalformedError({ reading, found: text }));
          const name = text.slice(0, equals);
          if (!variables.has(name)) variables.set(name, text.slice(equals + 1));
        }
        return Effect.succeed(variables);
      },
    );
  }

  /**
   * Reads up to a delimiter of at least one byte, which is consumed and not part of the result. Undefined at the
   * end.
   *
   * @param limit the maximum number of bytes before the delimiter
   */
  readUntilDelimiter(
    delimiter: Uint8Array,
    limit = 1024 * 1024,
    reading = "a delimited string",
  ): Effect.Effect<Uint8Array | undefined, ReadFailure | TooLongError> {
    if (delimiter.length === 0) return invalid("delimiter", delimiter, "at least one byte");
    if (Number.isNaN(limit)) return invalid("limit", limit, LIMIT);
    const search = (
      from: number,
    ): Effect.Effect<Uint8Array | undefined, ReadFailure | TooLongError> =>
      Effect.suspend(() => {
        const { buffer, byteOffset } = this.#bytes;
        const all = Buffer.from(buffer, byteOffset + this.#start, this.#available);
        const at = all.indexOf(delimiter, from);
        // The position of the delimiter, or the first position where one may begin that has not arrived completely.
        const least = at >= 0 ? at : Math.max(0, all.length - delimiter.length + 1);
        if (least > limit) return Effect.fail(new TooLongError({ reading, limit }));
        if (at >= 0) {
          const bytes = this.#take(at);
          this.#start += delimiter.length;
          return Effect.succeed(bytes);
        }
        return Effect.flatMap(
          this.#fill,
          (more): Effect.Effect<Uint8Array | undefined, ReadFailure | TooLongError> => {
            if (more) return search(least);
            return this.#available === 0
              ? Effect.succeed(undefined)
              : Effect.fail(new EndOfFileError({ reading, available: this.#available }));
          },
        );
      });
    return search(0);
  }

  /**
   * Reads a netstring, as in "5:hello,": a decimal length of at most 10 digits, a colon, the bytes, a comma.
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

  /** Reads a line as text, without its newline. Undefined at the end. */
  readLine(): Effect.Effect<string | undefined, ReadFailure | TooLongError> {
    return Effect.map(this.readUntilDelimiter(newline, undefined, "a line"), (bytes) =>
      bytes === undefined ? undefined : fsDecode(bytes),
    );
  }
}

oneLine(AsyncReadBuffer, () => "what was read ahead");

const newline = Uint8Array.of(10);
const colon = Uint8Array.of(58);

const SIZE = `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`;
const LIMIT = "a number of bytes, or Infinity";

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

const invalid = (
  argument: string,
  value: unknown,
  expected: string,
): Effect.Effect<never, InvalidArgumentError> =>
  Effect.fail(new InvalidArgumentError({ syscall: "read", argument, value, expected }));
