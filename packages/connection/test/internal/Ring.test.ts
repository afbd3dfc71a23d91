import { RING_SLOTS } from "@rsyscall/wire";
import { assert, describe, it } from "vitest";
import { nextCall, Ring } from "../../src/internal/Ring.ts";

const make = () => {
  const memory = new ArrayBuffer(4096);
  return { ring: new Ring(memory), view: new DataView(memory) };
};

/** Where the slot of a call begins. */
const slotOf = (call: number) => 64 + 64 * (call % 63);

const LAST = 63 * 2 ** 24 - 1;

describe("a request", () => {
  it("lies as ring.h says, and its state says that it is there", () => {
    const { ring, view } = make();
    ring.put(130, 39, false, 1, 2, 3, 4, 5, 6);
    const slot = slotOf(130);
    assert.equal(view.getUint32(slot, true), 261);
    assert.equal(view.getUint32(slot + 4, true), 39);
    for (let i = 0; i < 6; i++)
      assert.equal(view.getBigInt64(slot + 8 + 8 * i, true), BigInt(i + 1));
    ring.put(131, 0x7fff_0003, true, 0, 0, 0, 0, 0, 0);
    assert.equal(view.getUint32(slotOf(131) + 4, true), 0xffff_0003);
    // Nothing else is touched.
    for (const call of [129, 132]) assert.equal(view.getUint32(slotOf(call), true), 0);
    for (let at = 0; at < 64; at++) assert.equal(view.getUint8(at), 0);
  });

  const words: ReadonlyArray<number | bigint> = [
    ...[0, 1, -1, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32],
    ...[-(2 ** 32), 2 ** 47 - 1, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), -4095],
    ...[0n, -1n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n],
  ];
  for (const word of words)
    it(`has the ${typeof word} ${word} whole, in every place`, () => {
      const { ring, view } = make();
      // What was there before does not shine through.
      new Uint8Array(view.buffer).fill(0xa5, 64);
      ring.put(0, 1, false, word, word, word, word, word, word);
      for (let i = 0; i < 6; i++)
        assert.equal(view.getBigInt64(64 + 8 + 8 * i, true), BigInt.asIntN(64, BigInt(word)));
      assert.equal(view.getBigUint64(64 + 56, true), 0xa5a5_a5a5_a5a5_a5a5n);
    });
});

describe("a result", () => {
  it("is there when the state says so for this call, and for no other of the same slot", () => {
    const { ring, view } = make();
    assert.isFalse(ring.isDone(0));
    ring.put(0, 1, false, 0, 0, 0, 0, 0, 0);
    assert.isFalse(ring.isDone(0));
    for (const wrong of [0, 1, 3, 4, 128, 0x8000_0002, 0xffff_ffff]) {
      view.setUint32(64, wrong, true);
      assert.isFalse(ring.isDone(0), String(wrong));
    }
    view.setUint32(64, 2, true);
    assert.isTrue(ring.isDone(0));
    assert.isFalse(ring.isDone(RING_SLOTS));
  });

  const exact = [0, 1, -1, -4095, -4096, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1];
  const large = [2 ** 32 - 1, 2 ** 32, 2 ** 47 - 4096, 2 ** 53 - 1, -(2 ** 53), -(2 ** 40)];
  for (const value of [...exact, ...large])
    it(`of ${value} is that number`, () => {
      const { ring, view } = make();
      view.setBigInt64(64 + 56, BigInt(value), true);
      assert.strictEqual(ring.result(0), value);
    });

  for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 53n) - 1n])
    it(`of ${value} is a bigint, because no number is exact`, () => {
      const { ring, view } = make();
      view.setBigInt64(64 + 56, value, true);
      assert.strictEqual(ring.result(0), value);
    });
});

describe("the numbers of calls", () => {
  it("begin again after a whole number of rounds, and no state is that of a call before", () => {
    assert.equal(nextCall(0), 1);
    assert.equal(nextCall(LAST - 1), LAST);
    assert.equal(nextCall(LAST), 0);
    assert.equal((LAST + 1) % RING_SLOTS, 0);
    const { ring, view } = make();
    ring.put(LAST, 1, false, 0, 0, 0, 0, 0, 0);
    assert.equal(view.getUint32(slotOf(62), true), 2 * LAST + 1);
    view.setUint32(slotOf(62), 2 * LAST + 2, true);
    assert.isTrue(ring.isDone(LAST));
    // The slot of call 0 has that of the round before.
    view.setUint32(slotOf(0), 2 * (LAST - 62) + 2, true);
    assert.isTrue(ring.isDone(LAST - 62));
    assert.isFalse(ring.isDone(0));
    ring.put(0, 1, false, 0, 0, 0, 0, 0, 0);
    assert.isFalse(ring.isDone(LAST - 62));
  });
});

describe("sleep", () => {
  it("of the server is taken once", () => {
    const { ring, view } = make();
    assert.isFalse(ring.takeServerSleep());
    view.setUint32(0, 1, true);
    assert.isTrue(ring.takeServerSleep());
    assert.isFalse(ring.takeServerSleep());
    assert.equal(view.getUint32(0, true), 0);
  });

  it("of the client is said in its own word", () => {
    const { ring, view } = make();
    ring.sleep();
    assert.deepEqual([view.getUint32(0, true), view.getUint32(4, true)], [0, 1]);
    ring.wake();
    assert.equal(view.getUint32(4, true), 0);
  });
});

describe("CPUs", () => {
  it("are one and the same only if both can run on a single one, which is the same", () => {
    const { ring, view } = make();
    const isOnOther = (server: number, client: number) => {
      view.setInt32(8, server, true);
      return ring.isOnOtherCpu(client);
    };
    assert.isTrue(isOnOther(-1, -1));
    assert.isTrue(isOnOther(-1, 0));
    assert.isTrue(isOnOther(0, -1));
    assert.isTrue(isOnOther(0, 1));
    assert.isFalse(isOnOther(0, 0));
    ring.clientCpu = 5;
    assert.equal(view.getInt32(12, true), 5);
  });
});
