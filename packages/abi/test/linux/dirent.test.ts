import { assert, describe, it } from "vitest";
import { DT, decodeDirents } from "../../src/linux/dirent.ts";

const entry = (ino: bigint, offset: bigint, type: number, name: ReadonlyArray<number>) => {
  const bytes = new Uint8Array(Math.ceil((19 + name.length + 1) / 8) * 8);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, ino, true);
  view.setBigUint64(8, offset, true);
  view.setUint16(16, bytes.length, true);
  view.setUint8(18, type);
  bytes.set(name, 19);
  return bytes;
};

describe("decodeDirents", () => {
  const bytes = new Uint8Array([
    ...entry(1n, 2n, DT.DIR, [0x2e]),
    ...entry(2n ** 63n, 2n ** 63n - 1n, DT.REG, [0x61, 0xff, 0x62, 0x63, 0x64, 0x65]),
  ]);

  it("reads entries one behind the other", () => {
    assert.deepEqual(decodeDirents(bytes), [
      { ino: 1n, offset: 2n, type: DT.DIR, name: "." },
      { ino: 2n ** 63n, offset: 2n ** 63n - 1n, type: DT.REG, name: "a\udcffbcde" },
    ]);
    assert.deepEqual(decodeDirents(new Uint8Array()), []);
  });

  it("does not reach out of the bytes", () => {
    for (const end of [10, 23, bytes.length - 1]) {
      assert.throws(() => decodeDirents(bytes.subarray(0, end)), RangeError);
    }
    assert.throws(() => decodeDirents(new Uint8Array(24)), RangeError, "length 0");
  });
});
