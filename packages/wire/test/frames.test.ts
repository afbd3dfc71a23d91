import { frame, opened, u32 } from "@rsyscall/harness/taskStream";
import { assert, describe, it } from "vitest";
import { FRAME, frameOf, putHeader, whatIsWrong } from "../src/frames.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("frames", () => {
  it("have their numbers in little-endian order", () => {
    assert.equal(hex(frameOf(0x01020304, FRAME.END)), "0403020100000002");
    assert.equal(hex(frameOf(2 ** 32 - 1, FRAME.CREDIT, [0xfffefdfc])), "ffffffff04000003fcfdfeff");
    const message = new TextEncoder().encode("abc");
    const open = frameOf(7, FRAME.OPEN, [8, 2], message);
    assert.equal(hex(open), "070000000b0000050800000002000000616263");
    assert.equal(hex(open), hex(frame(7, FRAME.OPEN, opened(8, 2, message))));
    assert.equal(hex(frameOf(1, FRAME.CREDIT, [9])), hex(frame(1, FRAME.CREDIT, u32(9))));
  });

  it("are put where there is room", () => {
    const view = new DataView(new ArrayBuffer(16));
    putHeader(view, 4, 0xfffffffe, FRAME.DATA, 65536);
    assert.equal(hex(new Uint8Array(view.buffer)), "00000000feffffff0000010100000000");
  });

  const right: ReadonlyArray<[type: number, size: number]> = [
    [FRAME.DATA, 1],
    [FRAME.DATA, 65536],
    [FRAME.END, 0],
    [FRAME.CLOSE, 0],
    [FRAME.CREDIT, 4],
  ];
  it("of the far side are as the protocol says", () => {
    for (let type = 0; type < 256; type++)
      for (const size of [0, 1, 3, 4, 5, 8, 9, 65536, 65537, 0xffffff]) {
        const isRight =
          right.some(([t, s]) => t === type && s === size) ||
          (type === FRAME.DATA && size > 0 && size < 65536);
        const wrong = isRight ? undefined : `a frame of type ${type} and ${size} bytes`;
        assert.equal(whatIsWrong(type, size), wrong);
      }
  });
});
