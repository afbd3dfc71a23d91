import { assert, describe, it } from "vitest";
import { SA, SIG, Sigaction, Sigset } from "../src/signal.ts";
import { encoded, roundTrip } from "./codecBytes.ts";

describe("Sigset", () => {
  it("has bit n - 1 for signal n", () => {
    assert.deepEqual(
      [...encoded(Sigset, new Set([SIG.HUP, SIG.INT, SIG.RTMAX]))],
      [3, 0, 0, 0, 0, 0, 0, 0x80],
    );
    const all = new Set(Array.from({ length: 64 }, (_, i) => i + 1));
    for (const set of [new Set<number>(), new Set([SIG.CHLD]), all]) {
      assert.deepEqual(roundTrip(Sigset, set), set);
    }
  });

  it("refuses what is no signal", () => {
    for (const signal of [0, 65, 1.5]) {
      assert.throws(() => encoded(Sigset, new Set([signal])), RangeError);
    }
  });
});

describe("Sigaction", () => {
  it("is the kernel's", () => {
    const action = {
      handler: 0x7fff_1234_5678,
      flags: SA.RESTORER | SA.SIGINFO,
      restorer: 0x1000,
      mask: new Set([SIG.TERM]),
    };
    assert.equal(Sigaction.size, 32);
    assert.deepEqual(roundTrip(Sigaction, action), action);
  });
});
