import { assert, describe, it } from "vitest";
import { FreeList } from "../src/index.ts";

/** Random numbers that are the same in every run: mulberry32. */
const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

describe("FreeList", () => {
  it("takes aligned ranges that never overlap, and has everything back in the end", () => {
    const next = random(42);
    const size = 4096;
    const list = new FreeList(size);
    const owner = new Int32Array(size).fill(-1);
    const taken = new Map<number, [start: number, length: number]>();
    for (let step = 0; step < 20_000; step++) {
      if (next() < 0.55) {
        const length = 1 + Math.floor(next() * 200);
        const alignment = 2 ** Math.floor(next() * 7);
        const start = list.allocate(length, alignment);
        if (start === undefined) continue;
        assert.equal(start % alignment, 0);
        assert.isAtMost(start + length, size);
        for (let i = start; i < start + length; i++) {
          assert.equal(owner[i], -1, "somebody has it already");
          owner[i] = step;
        }
        taken.set(step, [start, length]);
      } else {
        const keys = [...taken.keys()];
        const key = keys[Math.floor(next() * keys.length)];
        if (key === undefined) continue;
        const [start, length] = taken.get(key) as [number, number];
        taken.delete(key);
        owner.fill(-1, start, start + length);
        list.release(start, length);
      }
      assert.equal(
        list.used,
        [...taken.values()].reduce((sum, [, length]) => sum + length, 0),
      );
    }
    for (const [start, length] of taken.values()) list.release(start, length);
    assert.equal(list.used, 0);
    assert.equal(list.allocate(size, 1), 0, "the pieces were not merged");
  });

  it("refuses what does not fit, and takes it once there is room", () => {
    const list = new FreeList(100);
    assert.equal(list.allocate(60, 1), 0);
    assert.isUndefined(list.allocate(60, 1));
    assert.equal(list.allocate(40, 1), 60);
    list.release(0, 60);
    assert.equal(list.allocate(60, 1), 0);
  });
});
