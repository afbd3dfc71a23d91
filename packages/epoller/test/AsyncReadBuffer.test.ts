import { type FixedCodec, fsEncode, struct, Uint8, Uint16, Uint32, Winsize } from "@rsyscall/abi";
import { pipe } from "@rsyscall/handle";
import { it, turn } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import { AsyncReadBuffer } from "../src/index.ts";

const asyncPipe = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const [reader, writer] = yield* pipe(thread.task);
  return { reader: yield* thread.makeAfd(reader), writer: yield* thread.makeAfd(writer) };
});

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
const bytes = (content: string) => new TextEncoder().encode(content);
const prefix = (length: number) => {
  const eight = new Uint8Array(8);
  new DataView(eight.buffer).setBigUint64(0, BigInt(length), true);
  return eight;
};
/** Text with its length. */
const prefixed = (content: string) => [...prefix(bytes(content).length), ...bytes(content)];

/** A buffer over a stream that has this, and has ended. */
const over = (content: Iterable<number> | string) =>
  Effect.gen(function* () {
    const { reader, writer } = yield* asyncPipe;
    const all = typeof content === "string" ? bytes(content) : Uint8Array.from(content);
    yield* writer.writeAllBytes(all);
    yield* writer.close();
    return new AsyncReadBuffer(reader);
  });

/** A buffer over a stream that comes byte by byte: each is read before the next one is written. */
const byteByByte = (content: string) =>
  Effect.gen(function* () {
    const { reader, writer } = yield* asyncPipe;
    const write = Effect.forEach(bytes(content), (byte) =>
      Effect.andThen(writer.writeAllBytes(Uint8Array.of(byte)), turn),
    );
    yield* Effect.forkChild(Effect.andThen(write, writer.close()));
    return new AsyncReadBuffer(reader);
  });

const message = <R>(effect: Effect.Effect<unknown, { readonly message: string }, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.message);

describe("AsyncReadBuffer", () => {
  it("begins with what was read before", function* () {
    const { reader, writer } = yield* asyncPipe;
    const first = bytes("01");
    const buffer = new AsyncReadBuffer(reader, first);
    assert.equal(text(yield* buffer.readLength(1)), "0");
    yield* writer.writeAllBytes(bytes("23"));
    assert.equal(text(yield* buffer.readLength(2)), "12");
    assert.equal(text(yield* buffer.readLength(0)), "");
    yield* writer.writeAllBytes(bytes("4"));
    assert.equal(text(yield* buffer.readLength(2)), "34");
    assert.deepEqual(first, bytes("01"));
  });

  it("gives bytes that stay what they are", function* () {
    const buffer = yield* over("abcdef");
    const first = yield* buffer.readLength(3);
    first.fill(0);
    assert.equal(text(yield* buffer.readLength(3)), "def");
  });

  it("reads structures, and says which one the stream has ended in", function* () {
    const buffer = yield* over([24, 0, 80, 0, 0, 0, 0, 0, 1, 2, 3]);
    const size = { rows: 24, columns: 80, width: 0, height: 0 };
    assert.deepEqual(yield* buffer.readStruct(Winsize), size);
    assert.equal(
      yield* message(buffer.readStruct(Winsize)),
      "The stream ended after 3 bytes of struct winsize",
    );
    assert.include(yield* message(buffer.readStruct(Uint32, "the answer")), "of the answer");
    // What has arrived is still there.
    const pair = struct("struct pair", { a: Uint8, b: Uint8 });
    assert.deepEqual(yield* buffer.readStruct(pair), { a: 1, b: 2 });
  });

  it("refuses bytes that are no such structure", function* () {
    const odd: FixedCodec<number> = {
      ...Uint16,
      name: "an odd number",
      decode: (from) => {
        const value = Uint16.decode(from);
        if (value % 2 === 0) throw new RangeError("even");
        return value;
      },
    };
    const buffer = yield* over([3, 0, 4, 0]);
    assert.equal(yield* buffer.readStruct(odd), 3);
    const error = yield* Effect.flip(buffer.readStruct(odd));
    assert.deepInclude({ ...error }, { _tag: "MalformedError", reading: "an odd number" });
  });

  it("reads strings with their lengths, and arrays of them", function* () {
    const buffer = yield* over([...prefixed("€"), ...prefixed(""), ...prefixed("last")]);
    assert.equal(text(yield* buffer.readLengthPrefixed(3)), "€");
    assert.deepEqual((yield* buffer.readLengthPrefixedArray(2, 4)).map(text), ["", "last"]);
    assert.deepEqual(yield* buffer.readLengthPrefixedArray(0, 0), []);
  });

  it("says which string of an array is missing or too long", function* () {
    const strings = [...prefixed("one"), ...prefixed("two")];
    for (const [stream, limit, expected] of [
      [strings, 10, "The stream ended after 0 bytes of string 3 of 3 of argv"],
      [strings.slice(0, -1), 10, "The stream ended after 2 bytes of string 2 of 3 of argv"],
      [strings.slice(0, 15), 10, "The stream ended after 4 bytes of string 2 of 3 of argv"],
      [strings, 5, "argv is longer than 5 bytes"],
      [new Uint8Array(8).fill(255), 10, "argv is longer than 10 bytes"],
    ] as const)
      assert.equal(
        yield* message((yield* over(stream)).readLengthPrefixedArray(3, limit, "argv")),
        expected,
      );
  });

  it("reads environments", function* () {
    const strings = ["PATH=/bin:/usr/bin", "EMPTY=", "ODD=a=b", "PATH=second"];
    const buffer = yield* over(strings.flatMap(prefixed));
    assert.deepEqual(
      [...(yield* buffer.readEnvp(4, 100))],
      [
        ["PATH", "/bin:/usr/bin"],
        ["EMPTY", ""],
        ["ODD", "a=b"],
      ],
    );
    // What is not UTF-8 stays what it is.
    const raw = [...bytes("A="), 0xff, 0xfe];
    const odd = yield* (yield* over([...prefix(4), ...raw])).readEnvp(1, 100);
    assert.deepEqual(fsEncode(odd.get("A") ?? ""), Uint8Array.of(0xff, 0xfe));
    for (const wrong of ["no value", "=nameless", ""]) {
      const error = yield* Effect.flip((yield* over(prefixed(wrong))).readEnvp(1, 100));
      assert.deepInclude({ ...error }, { _tag: "MalformedError", found: wrong });
    }
    assert.equal(
      yield* message((yield* over(prefixed("A=b"))).readEnvp(2, 100)),
      "The stream ended after 0 bytes of string 2 of 2 of an environment",
    );
  });

  for (const [how, make] of [
    ["at once", over],
    ["byte by byte", byteByByte],
  ] as const)
    it(`finds delimiters of any length in what comes ${how}`, function* () {
      const buffer = yield* make("a\r\nb\rc\n\r\n\r\n--end--\n-end--end");
      const until = (delimiter: string) =>
        Effect.map(buffer.readUntilDelimiter(bytes(delimiter)), text);
      assert.equal(yield* until("\r\n"), "a");
      assert.equal(yield* until("\r\n\r\n"), "b\rc\n");
      assert.equal(yield* until("--end"), "");
      assert.equal(yield* until("\n"), "--");
      assert.equal(yield* until("--end"), "-end");
      assert.isUndefined(yield* until("--end"));
      assert.isUndefined(yield* until("\n"));
    });

  it("counts what is before the delimiter, wherever it is cut", function* () {
    for (const make of [over, byteByByte]) {
      const read = (stream: string, limit: number) =>
        Effect.flatMap(make(stream), (buffer) =>
          buffer.readUntilDelimiter(bytes("--"), limit, "the head"),
        );
      assert.equal(text(yield* read("12345--", 5)), "12345");
      assert.equal(text(yield* read("--", 0)), "");
      for (const stream of ["12345--", "123456", "1234-56--"])
        assert.equal(yield* message(read(stream, 4)), "the head is longer than 4 bytes");
      assert.equal(yield* message(read("1234-", 4)), "The stream ended after 5 bytes of the head");
    }
  });

  it("reads lines, and tells of one that does not end", function* () {
    const buffer = yield* byteByByte("one\n\nthr€e\nfour");
    const line = buffer.readLine();
    assert.deepEqual([yield* line, yield* line, yield* line], ["one", "", "thr€e"]);
    assert.equal(yield* message(line), "The stream ended after 4 bytes of a line");
    assert.equal(text(yield* buffer.readLength(4)), "four");
    assert.isUndefined(yield* line);
  });

  it("says that it was a netstring that the stream has ended in", function* () {
    for (const [stream, available] of [
      ["12", 2],
      ["5:hel", 3],
      ["5:hello", 5],
    ] as const)
      assert.equal(
        yield* message((yield* over(stream)).readNetstring(100, "the answer")),
        `The stream ended after ${available} bytes of the answer`,
      );
  });

  it("refuses lengths that no stream could have", function* () {
    const buffer = yield* over("rest");
    for (const effect of [
      buffer.readLength(-1),
      buffer.readLength(1.5),
      buffer.readLength(Number.NaN),
      buffer.readLengthPrefixed(Number.NaN),
      buffer.readLengthPrefixedArray(-1, 100),
      buffer.readUntilDelimiter(new Uint8Array(0)),
      buffer.readUntilDelimiter(bytes("x"), Number.NaN),
    ])
      assert.match(yield* message(effect), /^read: \w+ is .*, and must be /);
    assert.equal(text(yield* buffer.readLength(4)), "rest");
  });

  it("reads what is larger than any read", function* () {
    const { reader, writer } = yield* asyncPipe;
    const sent = new Uint8Array(5_000_000).map((_, i) => i % 251);
    const writing = yield* Effect.forkChild(
      Effect.andThen(writer.writeAllBytes(prefix(sent.length)), writer.writeAllBytes(sent)),
    );
    const buffer = new AsyncReadBuffer(reader);
    const received = yield* buffer.readLengthPrefixed(sent.length);
    assert.equal(Buffer.compare(received, sent), 0);
    yield* Fiber.join(writing);
  });
});
