import { pattern } from "@rsyscall/harness/taskStream";
import { assert, describe, it } from "vitest";
import { Backlog } from "../../src/internal/Backlog.ts";

describe("bytes that wait", () => {
  it("come out as they came in, in whatever parts", () => {
    const bytes = pattern(3_000_000);
    const sizes = pattern(8192).map((byte) => byte + 1);
    const backlog = new Backlog();
    const got: Array<Buffer> = [];
    let [pushed, dropped, turn] = [0, 0, 0];
    const next = () => (sizes[turn++ % sizes.length] as number) ** (1 + (turn % 2));
    while (dropped < bytes.length) {
      for (let count = next() % 5; count > 0; count--) {
        const part = bytes.subarray(pushed, pushed + next());
        backlog.push(part);
        pushed += part.length;
      }
      assert.equal(backlog.length, pushed - dropped);
      for (let count = next() % 5; count > 0 || pushed === bytes.length; count--) {
        const { first } = backlog;
        if (first.length === 0) break;
        const part = first.subarray(0, next());
        got.push(Buffer.from(part));
        backlog.drop(part.length);
        dropped += part.length;
      }
      assert.equal(backlog.first.length === 0, backlog.length === 0);
    }
    assert.isTrue(Buffer.concat(got).equals(bytes));
  });

  it("are copies", () => {
    const backlog = new Backlog();
    const bytes = Uint8Array.of(1, 2);
    backlog.push(bytes);
    bytes.fill(9);
    assert.deepEqual([...backlog.first], [1, 2]);
    backlog.clear();
    assert.deepEqual([backlog.length, backlog.first.length], [0, 0]);
  });

  it("take little more room than there are of them", () => {
    const backlog = new Backlog();
    const buffers = new Set<ArrayBufferLike>();
    for (let i = 0; i < 200_000; i++) backlog.push(Uint8Array.of(i));
    while (backlog.length > 0) {
      const { first } = backlog;
      buffers.add(first.buffer);
      backlog.drop(Math.min(1000, first.length));
    }
    const room = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
    assert.isBelow(room, 300_000);
  });
});
