import { assert, describe, it } from "vitest";
import { CallRing, ringMemory } from "../src/CallRing.ts";
import type { PostedCall } from "../src/messages.ts";

const callOf = (index: number, size: number): PostedCall => ({
  type: "call",
  mock: 1,
  record: {
    ...{ index, program: "tool", path: "/bin/tool", argv: ["tool"], cwd: "/", pid: 2, ppid: 1 },
    ...{ parent: undefined, time: 0, rule: undefined, outcome: "pending", problem: undefined },
    ...{ status: undefined, signal: undefined, stdin: undefined, stdout: undefined },
    stderr: new Uint8Array(size).fill(index % 256),
    environment: `NAME=${index}\0`,
  },
});

describe("a ring of calls", () => {
  it("gives what was put in, in order, over its end too", () => {
    const memory = ringMemory();
    const [writer, reader] = [new CallRing(memory), new CallRing(memory)];
    for (let index = 0; index < 300; index++) {
      const pair = [callOf(index, 7919), callOf(index + 1, index)];
      for (const call of pair) assert.isTrue(writer.put(call));
      assert.deepEqual([...reader.take()], pair);
    }
    assert.deepEqual([...reader.take()], []);
  });

  it("takes no more than it holds, and goes on when there is room", () => {
    const memory = ringMemory();
    const [writer, reader] = [new CallRing(memory), new CallRing(memory)];
    let count = 0;
    while (writer.put(callOf(count, 10_000))) count++;
    assert.isAbove(count, 90);
    assert.isTrue(writer.isHalfFull);
    assert.isFalse(writer.put(callOf(count, 10_000)));
    assert.deepEqual(
      [...reader.take()].map(({ record }) => record.index),
      Array.from({ length: count }, (_, i) => i),
    );
    assert.isFalse(writer.isHalfFull);
    assert.isTrue(writer.put(callOf(count, 10_000)));
    assert.isFalse(writer.put(callOf(0, 2 ** 20)), "more than all of it");
  });
});
