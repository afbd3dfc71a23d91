import { assert, describe, it } from "vitest";
import { Environment } from "../src/index.ts";

const bytes = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

describe("Environment", () => {
  it("has values as getenv(3) does, and loses nothing", () => {
    const strings = ["A=1", "A=2", "no variable", "=strange=x", "EMPTY=", "B=a=b"].map(bytes);
    const environ = new Environment(strings);
    assert.equal(environ.get("A"), "1");
    assert.equal(environ.get("EMPTY"), "");
    assert.equal(environ.get("B"), "a=b");
    assert.isUndefined(environ.get("no variable"));
    assert.deepEqual(environ.strings, strings);
    assert.deepEqual(environ.toRecord(), { A: "1", EMPTY: "", "=strange": "x", B: "a=b" });
  });

  it("keeps bytes that are not UTF-8", () => {
    const environ = new Environment([bytes("NAME=\xff\x80")]);
    assert.deepEqual(environ.getBytes("NAME"), Uint8Array.of(0xff, 0x80));
    const again = Environment.fromRecord(environ.toRecord());
    assert.deepEqual(again.strings, [bytes("NAME=\xff\x80")]);
  });
});
