import { assert, describe, it } from "vitest";
import { Path, pathBytes } from "../src/index.ts";

describe("Path", () => {
  it("joins as a shell would", () => {
    assert.equal(Path.make("/tmp", "a", "b").text, "/tmp/a/b");
    assert.equal(Path.make("/tmp/").join("a").text, "/tmp/a");
    assert.equal(Path.make("a").join("/b").text, "/b");
    assert.equal(Path.make("", "a").text, "a");
  });

  it("has a name and a parent", () => {
    const cases: Array<[path: string, name: string, parent: string]> = [
      ["/a/b", "b", "/a"],
      ["/a/b//", "b", "/a"],
      ["/a", "a", "/"],
      ["/", "", "/"],
      ["a", "a", "."],
      ["a//b", "b", "a"],
    ];
    for (const [path, name, parent] of cases) {
      assert.equal(Path.make(path).name, name, path);
      assert.equal(Path.make(path).parent.text, parent, path);
    }
    assert.isTrue(Path.make("/a").isAbsolute);
    assert.isFalse(Path.make("a").isAbsolute);
  });

  it("keeps bytes that are not UTF-8", () => {
    const bytes = Uint8Array.of(47, 0xff, 0xc3, 0xa4, 0x80);
    assert.deepEqual(Path.make(bytes).join("x").bytes.subarray(0, 5), bytes);
    assert.deepEqual(pathBytes(Path.make(bytes).text), bytes);
  });

  it("is made of a file: URL, and of nothing that names no file", () => {
    assert.equal(Path.make(new URL("file:///a%20b/%C3%A4")).text, "/a b/ä");
    for (const wrong of [undefined, null, 7, {}, new URL("http://host/"), new URL("file://host/a")])
      assert.throws(() => Path.make(wrong as never), TypeError, /is no path/);
  });
});
