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
  Statx,
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

describe("struct statx", () => {
  it("has its newest fields where Linux 6.16 has them", () => {
    const bytes = new Uint8Array(256).map((_, i) => i);
    const view = new DataView(bytes.buffer);
    const word = (at: number) => view.getUint32(at, true);
    assert.deepInclude(Statx.decode(bytes), {
      mntId: view.getBigUint64(0x90, true),
      dioMemAlign: word(0x98),
      dioOffsetAlign: word(0x9c),
      subvol: view.getBigUint64(0xa0, true),
      atomicWriteUnitMin: word(0xa8),
      atomicWriteUnitMax: word(0xac),
      atomicWriteSegmentsMax: word(0xb0),
      dioReadOffsetAlign: word(0xb4),
      atomicWriteUnitMaxOpt: word(0xb8),
    });
    assert.equal(Statx.size, 256);
  });
});
