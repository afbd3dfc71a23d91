import { assert, describe, it } from "vitest";
import {
  arrayOf,
  Bytes,
  type Codec,
  CString,
  type FixedCodec,
  fixedCString,
  Int32,
  Int64,
  listOf,
  reserved,
  struct,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
} from "../src/Codec.ts";
import { encoded, roundTrip } from "./codecBytes.ts";

const refuses = <A>(codec: Codec<A>, ...values: ReadonlyArray<A>) => {
  for (const value of values) assert.throws(() => encoded(codec, value), RangeError);
};

const keeps = <A>(codec: Codec<A>, ...values: ReadonlyArray<A>) => {
  for (const value of values) assert.deepEqual(roundTrip(codec, value), value);
};

describe("integers", () => {
  it("keep their extremes and refuse what is beyond", () => {
    keeps(Uint8, 0, 255);
    refuses(Uint8, -1, 256, 0.5);
    keeps(Uint16, 0, 65535);
    refuses(Uint16, -1, 65536, Number.NaN);
    keeps(Int32, -(2 ** 31), -1, 0, 2 ** 31 - 1);
    refuses(Int32, 2 ** 31, -(2 ** 31) - 1, 1.5);
    keeps(Uint32, 0, 2 ** 31, 2 ** 32 - 1);
    refuses(Uint32, 2 ** 32, -(2 ** 31) - 1, Number.POSITIVE_INFINITY);
    keeps(Int64, Number.MIN_SAFE_INTEGER, -1, 0, Number.MAX_SAFE_INTEGER);
    refuses(Int64, 2 ** 53, -(2 ** 53), 0.5);
    keeps(Uint64, 0n, 2n ** 63n, 2n ** 64n - 1n);
    refuses(Uint64, -1n, 2n ** 64n);
  });

  it("are little endian", () => {
    assert.deepEqual([...encoded(Uint32, 0x01020304)], [4, 3, 2, 1]);
    assert.deepEqual([...encoded(Int64, -2)], [0xfe, ...Array<number>(7).fill(0xff)]);
  });

  it("take flags that bit operators made negative", () => {
    assert.equal(roundTrip(Uint32, 0x80000000 | 1), 0x80000001);
  });

  it("are not decoded when they are no safe integer", () => {
    assert.throws(() => Int64.decode(encoded(Uint64, 2n ** 53n)), RangeError);
  });
});

describe("Bytes", () => {
  it("copies", () => {
    const bytes = Buffer.from([1, 2, 3]);
    const copy = Bytes.decode(bytes);
    bytes.fill(0);
    assert.deepEqual([...copy], [1, 2, 3]);
  });
});

describe("CString", () => {
  it("ends with a NUL, and at the first one", () => {
    assert.deepEqual([...encoded(CString, "aé")], [0x61, 0xc3, 0xa9, 0]);
    assert.equal(CString.decode(Uint8Array.of(0x61, 0, 0x62, 0)), "a");
    assert.equal(CString.decode(Uint8Array.of(0x61)), "a");
    assert.equal(roundTrip(CString, Uint8Array.of(0xff)), "\udcff");
    keeps<string | Uint8Array>(CString, "", "\udc80/x");
  });

  it("refuses a NUL within", () => {
    refuses<string | Uint8Array>(CString, "a\0b", Uint8Array.of(0));
  });

  it("has a form of fixed size", () => {
    assert.deepEqual([...encoded(fixedCString(4), "ab")], [0x61, 0x62, 0, 0]);
    refuses(fixedCString(4), "abcd", "a\0");
  });
});

describe("listOf", () => {
  it("puts elements one stride apart", () => {
    keeps(listOf(Int32), [], [1, -2, 3]);
    const three: FixedCodec<Uint8Array> = { ...Bytes, size: 3, alignment: 2, sizeOf: () => 3 };
    assert.equal(listOf(three).sizeOf([new Uint8Array(3), new Uint8Array(3)]), 8);
    assert.deepEqual(
      [...encoded(listOf(three), [Uint8Array.of(1, 1, 1), Uint8Array.of(2, 2, 2)])],
      [1, 1, 1, 0, 2, 2, 2, 0],
    );
  });

  it("refuses part of an element, and elements of differing size", () => {
    assert.throws(() => listOf(Int32).decode(new Uint8Array(7)), RangeError);
    assert.throws(() => listOf(CString), TypeError);
  });
});

describe("arrayOf", () => {
  it("is as many elements as it says", () => {
    const three = arrayOf(Uint16, 3);
    assert.deepEqual([three.size, three.alignment], [6, 2]);
    keeps(three, [1, 2, 2 ** 16 - 1]);
    assert.deepEqual(three.decode(new Uint8Array(8)), [0, 0, 0]);
    refuses(three, [1, 2], [1, 2, 3, 4]);
  });
});

describe("struct", () => {
  const Sample = struct("sample", { a: Uint8, b: Uint32, c: Uint16, d: Uint64, e: Uint8 });

  it("aligns fields and itself, and writes zeros between them", () => {
    assert.equal(Sample.size, 32);
    assert.equal(Sample.alignment, 8);
    const bytes = new Uint8Array(40).fill(0xff);
    Sample.encode({ a: 1, b: 2, c: 3, d: 4n, e: 5 }, bytes);
    const row = [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5];
    assert.deepEqual(
      [...bytes],
      [...row, ...Array<number>(7).fill(0), ...Array<number>(8).fill(255)],
    );
    keeps(Sample, { a: 255, b: 2 ** 32 - 1, c: 1, d: 2n ** 64n - 1n, e: 0 });
  });

  it("nests, packs and keeps room", () => {
    const Packed = struct("packed", { a: Uint8, b: Uint64 }, { packed: true });
    assert.deepEqual([Packed.size, Packed.alignment], [9, 1]);
    const Outer = struct("outer", { a: Uint8, inner: Sample, pad: reserved(8), z: Uint8 });
    assert.deepEqual([Outer.size, Outer.alignment], [56, 8]);
    const value = { a: 1, inner: { a: 1, b: 2, c: 3, d: 4n, e: 5 }, z: 9 };
    keeps(Outer, value);
    assert.equal(encoded(Outer, value)[48], 9);
  });

  it("tells where its fields are", () => {
    assert.deepEqual(Sample.offsets, { a: 0, b: 4, c: 8, d: 16, e: 24 });
    const Room = struct("room", { a: Uint8, room: reserved(8, 4), list: arrayOf(Uint64, 2) });
    assert.deepEqual(Room.offsets, { a: 0, room: 4, list: 16 });
  });

  it("refuses too few bytes", () => {
    assert.throws(() => Sample.decode(new Uint8Array(31)), RangeError);
  });
});
