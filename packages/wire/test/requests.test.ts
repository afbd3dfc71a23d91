import { assert, describe, it } from "vitest";
import { decodeResult, encodeRequest, REQUEST_SIZE } from "../src/requests.ts";

describe("requests and results", () => {
  it("carry every word as the kernel's 64 bits", () => {
    const view = new DataView(new ArrayBuffer(REQUEST_SIZE));
    const words = [-1, 2 ** 53 - 1, -(2 ** 53) + 1, 2n ** 64n - 1n, -100, 0xffff_ffff];
    encodeRequest(view, 0, 257, 1, words);
    assert.equal(view.getUint32(0, true), 257);
    assert.equal(view.getUint32(4, true), 1);
    words.forEach((word, i) => {
      assert.equal(view.getBigInt64(8 + 8 * i, true), BigInt.asIntN(64, BigInt(word)));
    });
  });

  it("come back as numbers where these are exact, else as bigints", () => {
    const view = new DataView(new ArrayBuffer(8));
    for (const value of [0n, -1n, -4095n, 2n ** 31n, 2n ** 47n, 2n ** 53n - 1n, -(2n ** 52n)]) {
      view.setBigInt64(0, value, true);
      assert.equal(decodeResult(view, 0), Number(value));
    }
    for (const value of [2n ** 53n, 2n ** 62n + 1n, -(2n ** 62n)]) {
      view.setBigInt64(0, value, true);
      assert.equal(decodeResult(view, 0), value);
    }
  });
});
