import { assert, describe, it } from "vitest";
import { ChannelIds } from "../../src/internal/ChannelIds.ts";

describe("ids of channels", () => {
  it("are counted up", () => {
    const ids = new ChannelIds(() => false);
    assert.deepEqual(
      [3, 0, 1, 32].map((count) => ids.take(count)),
      [1, 4, 4, 5],
    );
    assert.equal(ids.take(1), 37);
  });

  it("are not those that are taken", () => {
    const taken = new Set([2, 3, 5, 8, 40]);
    const ids = new ChannelIds((number) => taken.has(number));
    assert.deepEqual(
      [1, 1, 2, 32, 32].map((count) => ids.take(count)),
      [1, 4, 6, 41, 73],
    );
  });

  it("begin again behind the last that 32 bits hold", () => {
    const taken = new Set([0, 2]);
    const ids = new ChannelIds((number) => taken.has(number), 2 ** 32 - 5);
    assert.equal(ids.take(3), 2 ** 32 - 4);
    assert.equal(ids.take(2), 3, "neither over the edge, nor among the taken");
    assert.equal(new ChannelIds(() => false, 2 ** 32 - 1).take(1), 1);
    assert.equal(new ChannelIds(() => false, 2 ** 32 - 33).take(32), 2 ** 32 - 32);
  });
});
