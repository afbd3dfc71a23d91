import { assert, describe, it } from "vitest";
import {
  type ArgumentTest,
  any,
  commandLine,
  end,
  quoted,
  rest,
  testArguments,
} from "../src/pattern.ts";

const matches = (tests: ReadonlyArray<ArgumentTest>, ...args: ReadonlyArray<string>) =>
  testArguments(tests, args, (id, text) => text.length === id);

describe("a pattern of arguments", () => {
  it("is for calls that begin with it", () => {
    assert.isTrue(matches([], "push"));
    assert.isTrue(matches(["push"], "push", "origin"));
    assert.isFalse(matches(["push"], "pull"));
    assert.isFalse(matches(["push", "origin"], "push"));
    assert.isFalse(matches(["push"]));
  });

  it("has expressions, functions, any, rest and end", () => {
    assert.isTrue(matches([/^pu/], "pull"));
    assert.isFalse(matches([/^pu$/], "pull"));
    assert.isTrue(matches([{ pattern: "predicate", id: 4 }], "push"));
    assert.isFalse(matches([{ pattern: "predicate", id: 3 }], "push"));
    assert.isTrue(matches([any, "b"], "a", "b"));
    assert.isFalse(matches([any], ...[]));
    assert.isTrue(matches(["push", end], "push"));
    assert.isFalse(matches(["push", end], "push", "-f"));
    assert.isTrue(matches([rest, "-f"], "push", "origin", "-f", "x"));
    assert.isTrue(matches([rest, "-f"], "-f"));
    assert.isFalse(matches([rest, "-f"], "push"));
    assert.isTrue(matches([rest, "a", "b", rest, "c", end], "a", "a", "b", "x", "c", "c"));
    assert.isFalse(matches([rest, "a", "b", rest, "c", end], "a", "a", "b", "x", "c", "d"));
    assert.isTrue(matches([rest, end], "a"));
  });

  it("is the same at each call, though the expression is global", () => {
    const pattern = [/a/g];
    assert.isTrue(matches(pattern, "a"));
    assert.isTrue(matches(pattern, "a"));
  });

  it("takes no time that grows with the square of what a caller gives", () => {
    const many = Array.from({ length: 100_000 }, () => "a");
    assert.isFalse(matches([rest, "a", rest, "b", end], ...many));
  });
});

describe("a command line", () => {
  it("shows where each argument ends", () => {
    assert.equal(
      commandLine(["git", "commit", "-m", "it's done"]),
      "git commit -m 'it'\\''s done'",
    );
    assert.equal(quoted(""), "''");
    assert.equal(quoted("a\nb\u001b[2J"), "$'a\\nb\\u001b[2J'");
  });
});
