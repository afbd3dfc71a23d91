import { assert, describe, it } from "vitest";
import { printable, printableLines } from "../src/index.ts";

describe("printable", () => {
  it("escapes what a terminal or a log would act on, and nothing else", () => {
    const cases: ReadonlyArray<[text: string | Uint8Array, shown: string]> = [
      ["plain text, ümläut, 漢字, 😀 and \\", "plain text, ümläut, 漢字, 😀 and \\"],
      ["a\0b\nc\rd\te", "a\\0b\\nc\\rd\\te"],
      ["\x1b[31m\x07\x7f\x9b", "\\x1b[31m\\x07\\x7f\\x9b"],
      // Lines, direction, no width, halves of pairs.
      ["\u2028\u202e\u200b\ufeff\ud800", "\\u2028\\u202e\\u200b\\ufeff\\ud800"],
      [Uint8Array.of(0x61, 0xff, 0x0a, 0xc3, 0xa4), "a\\xff\\nä"],
      // As `fsDecode` gives the byte 0xff.
      ["\udcff", "\\xff"],
    ];
    for (const [text, shown] of cases) assert.equal(printable(text), shown);
  });

  it("cuts what is long, between characters, without looking at the rest", () => {
    assert.equal(printable("abcdef", 6), "abcdef");
    assert.equal(printable("abcdef", 5), "abcde...");
    assert.equal(printable("a😀b", 2), "a...");
    assert.equal(printable(new Uint8Array(2 ** 24).fill(0x61), 3), "aaa...");
    assert.isBelow(printable("\0".repeat(10000)).length, 2 * 4096 + 4);
  });

  it("keeps lines and tabs where that is wanted", () => {
    assert.equal(printableLines("a\r\nb\tc\n\x1b[m\rd\u202e"), "a\nb\tc\n\\x1b[m\\rd\\u202e");
  });
});
