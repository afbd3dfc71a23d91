import { assert, describe, it } from "vitest";
import { CpuSet } from "../src/sched.ts";
import { encoded, roundTrip } from "./codecBytes.ts";

describe("CpuSet", () => {
  it("has bit n for CPU n, of many", () => {
    assert.deepEqual([...encoded(CpuSet, new Set([0, 9, 17])).subarray(0, 4)], [1, 2, 2, 0]);
    const all = new Set(Array.from({ length: 8192 }, (_, i) => i));
    for (const set of [new Set<number>(), new Set([63, 64, 8191]), all])
      assert.deepEqual(roundTrip(CpuSet, set), set);
  });

  it("is read from as many bytes as there are", () => {
    assert.deepEqual(CpuSet.decode(Uint8Array.of(0, 0x81)), new Set([8, 15]));
  });

  it("refuses what is no CPU", () => {
    for (const cpu of [-1, 8192, 1.5]) {
      assert.throws(() => encoded(CpuSet, new Set([cpu])), RangeError);
    }
  });
});
