import { fsDecode } from "@rsyscall/abi";
import { printable, printableLines } from "@rsyscall/near";
import { assert, describe, it } from "vitest";

describe("printable", () => {
  it("leaves what is text, in any script", () => {
    for (const text of ["", "git commit -m 'a b'", "Grüße, 世界 👋", "C:\\n"])
      assert.equal(printable(text), text);
  });

  it("escapes what would steer a terminal or begin a line", () => {
    assert.equal(printable("a\nb\r\tc"), "a\\nb\\r\\tc");
    assert.equal(
      printable("\u001b]0;title\u0007\u009b2J\0\u007f"),
      "\\x1b]0;title\\x07\\x9b2J\\x00\\x7f",
    );
    assert.equal(printable("evil\u202etxt.exe\u2028"), "evil\\u202etxt.exe\\u2028");
  });

  it("shows bytes that are not UTF-8 as those bytes", () => {
    assert.equal(printable(fsDecode(Uint8Array.of(0x61, 0xff, 0x80))), "a\\xff\\x80");
    assert.equal(printable("\ud800"), "\\ud800");
  });

  it("changes nothing the second time", () => {
    const once = printable("\u001b[31m\n\ud800\u200f");
    assert.equal(printable(once), once);
  });

  it("line by line keeps the line ends", () => {
    assert.equal(printableLines("a\u001b\r\nb\rc\n"), "a\\x1b\nb\\rc\n");
  });
});
