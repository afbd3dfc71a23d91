import { assert, describe, it } from "vitest";
import { CAP, CapData } from "../../src/linux/capability.ts";
import { encoded, roundTrip } from "../codecBytes.ts";

const none = new Set<number>();

describe("CapData", () => {
  it("has 64 bits for each set, in two halves", () => {
    const value = {
      effective: new Set([CAP.CHOWN, CAP.SETFCAP, CAP.MAC_OVERRIDE, 63]),
      permitted: new Set(Array.from({ length: 64 }, (_, i) => i)),
      inheritable: none,
    };
    const words = new Uint32Array(encoded(CapData, value).buffer);
    assert.deepEqual([...words], [0x8000_0001, 0xffff_ffff, 0, 0x8000_0001, 0xffff_ffff, 0]);
    assert.deepEqual(roundTrip(CapData, value), value);
  });

  it("refuses what is no capability", () => {
    for (const capability of [-1, 64, 1.5]) {
      const value = { effective: none, permitted: none, inheritable: new Set([capability]) };
      assert.throws(() => encoded(CapData, value), RangeError);
    }
  });
});
