import { assert, describe, it } from "vitest";
import { Queue } from "../../src/internal/Queue.ts";

describe("Queue", () => {
  it("gives back what was put in, in order, however long it gets", () => {
    const queue = new Queue<number>();
    let put = 0;
    let taken = 0;
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 100; i++) queue.push(put++);
      for (let i = 0; i < 90; i++) assert.equal(queue.shift(), taken++);
    }
    assert.equal(queue.length, put - taken);
    while (taken < put) assert.equal(queue.shift(), taken++);
    assert.isUndefined(queue.shift());
    assert.equal(queue.length, 0);
  });
});
