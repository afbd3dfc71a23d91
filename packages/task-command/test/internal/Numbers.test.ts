import { assert, describe, it } from "vitest";
import { Numbers } from "../../src/internal/Numbers.ts";

describe("numbers of channels", () => {
  it("are counted up", () => {
    const numbers = new Numbers(() => false);
    assert.deepEqual(
      [3, 0, 1, 32].map((count) => numbers.take(count)),
      [1, 4, 4, 5],
    );
    assert.equal(numbers.take(1), 37);
  });

  it("are not those that are taken", () => {
    const taken = new Set([2, 3, 5, 8, 40]);
    const numbers = new Numbers((number) => taken.has(number));
    assert.deepEqual(
      [1, 1, 2, 32, 32].map((count) => numbers.take(count)),
      [1, 4, 6, 41, 73],
    );
  });

  it("begin again behind the last that 32 bits hold", () => {
    const taken = new Set([0, 2]);
    const numbers = new Numbers((number) => taken.has(number), 2 ** 32 - 5);
    assert.equal(numbers.take(3), 2 ** 32 - 4);
    assert.equal(numbers.take(2), 3, "neither over the edge, nor among the taken");
    assert.equal(new Numbers(() => false, 2 ** 32 - 1).take(1), 1);
    assert.equal(new Numbers(() => false, 2 ** 32 - 33).take(32), 2 ** 32 - 32);
  });
});
