import { assert, describe, it } from "vitest";
import { Errno, type ErrnoName, errnoMessage, errnoName } from "../src/errno.ts";

describe("errno", () => {
  it("names numbers, and not by their aliases", () => {
    assert.equal(errnoName(2), "ENOENT");
    assert.equal(errnoName(11), "EAGAIN");
    assert.equal(errnoName(35), "EDEADLK");
    assert.equal(errnoName(95), "EOPNOTSUPP");
    assert.equal(errnoName(524), "E524");
    assert.equal(Errno.EWOULDBLOCK, Errno.EAGAIN);
  });

  it("has a number for all up to EHWPOISON but the two that Linux left out", () => {
    const numbers = new Set<number>(Object.values(Errno));
    for (let number = 1; number <= 133; number++) {
      assert.equal(numbers.has(number), number !== 41 && number !== 58, String(number));
    }
  });

  it("has words for all", () => {
    for (const name of Object.keys(Errno) as Array<ErrnoName>) {
      assert.notMatch(errnoMessage(name), /^$|Unknown/, name);
    }
    assert.equal(errnoMessage("EWOULDBLOCK"), errnoMessage("EAGAIN"));
    assert.equal(errnoMessage(errnoName(524)), "Unknown error 524");
  });
});
