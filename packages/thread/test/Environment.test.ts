import { assert, describe, it } from "vitest";
import { Environment } from "../src/index.ts";

const bytes = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

const utf8 = (text: string) => new TextEncoder().encode(text);

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

  it("has what others make of it: records, iteration, and names that are no properties", () => {
    const environ = new Environment(["__proto__=1", "constructor=2", "", "=", "Ä=ö"].map(utf8));
    assert.deepEqual(
      [...environ],
      [
        ["__proto__", "1"],
        ["constructor", "2"],
        ["Ä", "ö"],
      ],
    );
    assert.deepEqual(Object.entries(environ.toRecord()), [...environ]);
    assert.isUndefined(environ.get("toString"));
    assert.isUndefined(environ.get(""));
    assert.isUndefined(environ.getBytes("missing"));
    assert.equal(environ.strings.length, 5);
  });

  it("leaves out what a record has no value for", () => {
    const environ = Environment.fromRecord({ A: "1", B: undefined, C: "" });
    assert.deepEqual(environ.strings, [utf8("A=1"), utf8("C=")]);
  });
});
