import { Effect } from "effect";
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

  it("changes, and what is executed later sees it", async () => {
    const environ = new Environment(["A=1", "no variable", "A=2", "B=3"].map(bytes));
    const child = environ.copy();
    await Effect.runPromise(environ.set("A", "new"));
    await Effect.runPromise(environ.delete("B"));
    await Effect.runPromise(environ.set("C", Uint8Array.of(0xff)));
    assert.equal(environ.get("A"), "new");
    assert.isUndefined(environ.get("B"));
    assert.deepEqual(environ.getBytes("C"), Uint8Array.of(0xff));
    assert.deepEqual(
      environ.strings.map((string) => Buffer.from(string).toString("latin1")),
      ["no variable", "A=new", "C=\xff"],
    );
    assert.deepEqual(child.toRecord(), { A: "1", B: "3" });
  });

  it("refuses names and values that would be something else to a program", async () => {
    const environ = Environment.fromRecord({ A: "1" });
    for (const [name, value] of [
      ["", "x"],
      ["A=B", "x"],
      ["A\0", "x"],
      ["A", "x\0y"],
      ["A\ud800", "x"],
      ["A", "\udfff"],
      ["A", Uint8Array.of(0)],
    ] as const) {
      const error = await Effect.runPromise(Effect.flip(environ.set(name, value)));
      assert.equal(error.syscall, "setenv");
    }
    for (const name of ["", "A=1", "A\0", "\ud800"])
      assert.equal((await Effect.runPromise(Effect.flip(environ.delete(name)))).argument, "name");
    const both = new Map([
      ["B", "good"],
      ["C=", "bad"],
    ]);
    assert.equal((await Effect.runPromise(Effect.flip(environ.withUpdates(both)))).value, "C=");
    assert.deepEqual(environ.toRecord(), { A: "1" });
  });

  it("gives the strings of one program, and stays as it is", async () => {
    const environ = new Environment(["A=1", "odd", "\xff=2"].map(bytes));
    const updates = new Map([
      ["A", undefined],
      ["B", ""],
      ["\udcff", "3"],
    ]);
    const strings = await Effect.runPromise(environ.withUpdates(updates));
    assert.deepEqual(
      strings.map((string) => Buffer.from(string).toString("latin1")),
      ["odd", "B=", "\xff=3"],
    );
    assert.deepEqual(environ.strings, ["A=1", "odd", "\xff=2"].map(bytes));
    assert.deepEqual([...environ.sh.argv], ["sh"]);
    assert.equal(environ.sh.executable.text, "/bin/sh");
  });
});
