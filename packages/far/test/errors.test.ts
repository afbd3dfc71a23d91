import { assert, describe, it } from "vitest";
import { NamespaceMismatchError } from "../src/index.ts";

describe("NamespaceMismatchError", () => {
  it("says what belongs elsewhere, and in which respect", () => {
    const error = new NamespaceMismatchError({ namespace: "address space", subject: "pointer" });
    assert.equal(error._tag, "NamespaceMismatchError");
    assert.match(error.message, /^pointer belongs to another address space/);
  });
});
