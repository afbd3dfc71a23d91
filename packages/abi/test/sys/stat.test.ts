import { assert, describe, it } from "vitest";
import {
  isBlockDevice,
  isCharacterDevice,
  isDirectory,
  isFifo,
  isRegular,
  isSocket,
  isSymlink,
  S_IF,
} from "../../src/sys/stat.ts";

describe("the type of a file", () => {
  it("is exactly one", () => {
    const predicates = {
      FIFO: isFifo,
      CHR: isCharacterDevice,
      DIR: isDirectory,
      BLK: isBlockDevice,
      REG: isRegular,
      LNK: isSymlink,
      SOCK: isSocket,
    };
    for (const [name, type] of Object.entries(S_IF)) {
      const matching = Object.entries(predicates).filter(([, is]) => is(type | 0o7777));
      assert.deepEqual(
        matching.map(([key]) => key),
        [name],
      );
    }
  });
});
