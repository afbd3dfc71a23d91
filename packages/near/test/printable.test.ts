import { printable, printableLines } from "@rsyscall/near";
import { assert, describe, it } from "vitest";

describe("text that another process has chosen", () => {
  it("is shown as it is, where it is only text", () => {
    for (const text of ["", "plain", "C:\\dir \\n", "Grüße, 世界 👩‍👩‍👧", 'it\'s "so"'])
      assert.equal(printable(text), text);
  });

  it("is escaped where a terminal or a log would obey it", () => {
    assert.equal(printable("a\nb\r\tc\0"), "a\\nb\\r\\tc\\x00");
    assert.equal(printable("\x1b[2J\x07\x7f"), "\\x1b[2J\\x07\\x7f");
    assert.equal(printable("\u009b2J"), "\\u009b2J");
    assert.equal(printable("file\u202egpj.exe\u2069\u2028"), "file\\u202egpj.exe\\u2069\\u2028");
    assert.equal(printable("\ud800 \udc9b"), "\\ud800 \\x9b");
  });

  it("may be bytes", () => {
    assert.equal(printable(Buffer.from("é\n")), "é\\n");
    assert.equal(printable(Uint8Array.of(0x41, 0xff, 0xc3)), "A\\xff\\xc3");
    assert.equal(printable(Buffer.from("\u009bé")), "\\u009bé");
  });

  it("is the same when it is escaped twice", () => {
    const once = printable("\x1b\\x1b\n\udcff");
    assert.equal(printable(once), once);
  });

  it("is cut where it is long", () => {
    assert.equal(printable("abcdef", 4), "abcd...");
    assert.equal(printable("abcd", 4), "abcd");
    assert.equal(printable(Buffer.alloc(2 ** 20, "x"), 3), "xxx...");
  });

  it("keeps its lines where that is wanted", () => {
    assert.equal(printableLines("a\r\nb\tc\n\x1b[m\rd\u202e"), "a\nb\tc\n\\x1b[m\\rd\\u202e");
  });
});
