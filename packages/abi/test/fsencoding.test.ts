import { assert, describe, it } from "vitest";
import { fsDecode, fsEncode } from "../src/fsencoding.ts";
import { randomNumbers } from "./codecBytes.ts";

const returns = (bytes: Uint8Array) => {
  const again = fsEncode(fsDecode(bytes));
  assert.deepEqual([...again], [...bytes]);
};

describe("fsencoding", () => {
  it("is UTF-8 for text", () => {
    for (const text of [
      "",
      "plain",
      "grün",
      "目錄",
      "😀/😀",
      "\ufefffirst",
      "nul\0inside",
      "\uffff",
    ]) {
      assert.deepEqual([...fsEncode(text)], [...new TextEncoder().encode(text)]);
      assert.equal(fsDecode(fsEncode(text)), text);
    }
  });

  it("gives every byte that is not UTF-8 its surrogate", () => {
    assert.equal(fsDecode(Uint8Array.of(0x61, 0xff, 0x80, 0x62)), "a\udcff\udc80b");
    assert.equal(fsDecode(Uint8Array.of(0xc0, 0xaf)), "\udcc0\udcaf", "overlong");
    assert.equal(fsDecode(Uint8Array.of(0xe4, 0xb8)), "\udce4\udcb8", "cut off");
    assert.equal(fsDecode(Uint8Array.of(0xf4, 0x90, 0x80, 0x80)), "\udcf4\udc90\udc80\udc80");
    assert.deepEqual([...fsEncode("a\udcff\udc80b")], [0x61, 0xff, 0x80, 0x62]);
  });

  it("takes an encoded surrogate for three bytes that are not UTF-8", () => {
    assert.equal(fsDecode(Uint8Array.of(0xed, 0xb2, 0x80)), "\udced\udcb2\udc80");
    for (let second = 0xa0; second <= 0xbf; second++) {
      for (let third = 0x80; third <= 0xbf; third++) {
        const bytes = Uint8Array.of(0xed, second, third);
        assert.equal(fsDecode(bytes).length, 3);
        returns(bytes);
      }
    }
  });

  it("returns every pair of bytes, alone and within text", () => {
    for (let pair = 0; pair < 0x10000; pair++) {
      const [first, second] = [pair >> 8, pair & 0xff];
      returns(Uint8Array.of(first, second));
      returns(Uint8Array.of(0xf0, 0x9f, first, second, 0x80, 0x61));
    }
  });

  it("returns random bytes", () => {
    const random = randomNumbers(1);
    const likely = [0x00, 0x2f, 0x61, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4];
    for (let run = 0; run < 20_000; run++) {
      const biased = run % 2 === 0;
      const byte = () => (biased ? (likely[random(likely.length)] ?? 0) : random(256));
      returns(Uint8Array.from({ length: random(24) }, byte));
    }
  });

  it("returns random text", () => {
    const random = randomNumbers(2);
    const limits = [0x80, 0x800, 0xd800, 0x110000];
    for (let run = 0; run < 5_000; run++) {
      const points = Array.from({ length: random(12) }, () => random(limits[random(4)] ?? 1));
      const text = String.fromCodePoint(...points.filter((p) => p < 0xd800 || p > 0xdfff));
      assert.equal(fsDecode(fsEncode(text)), text);
    }
  });

  it("does not lose a byte behind a character of two units", () => {
    returns(Uint8Array.of(0xf0, 0x9f, 0x98, 0x80, 0x80, 0xf0, 0x9f, 0x98, 0x80));
  });

  it("passes bytes as they are", () => {
    const bytes = Uint8Array.of(1, 0xff);
    assert.strictEqual(fsEncode(bytes), bytes);
  });

  it("reads no further than the bytes of a view", () => {
    const room = Uint8Array.of(0x61, 0xe4, 0xb8, 0xad);
    assert.equal(fsDecode(room.subarray(0, 2)), "a\udce4");
  });

  it("refuses other lone surrogates by name", () => {
    for (const unit of [0xd800, 0xdbff, 0xdc00, 0xdc7f, 0xdd00, 0xdfff]) {
      const name = `U+${unit.toString(16).toUpperCase()}`;
      const encode = () => fsEncode(`a${String.fromCharCode(unit)}`);
      assert.throws(encode, RangeError);
      assert.throws(encode, name);
    }
  });
});
