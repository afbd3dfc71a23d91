import { assert, describe, it } from "vitest";
import { makeNamespaces, Namespace } from "../src/index.ts";

describe("Namespace", () => {
  it("is the same by its id, and without one only as itself", () => {
    assert.isTrue(new Namespace("net", 5n).is(new Namespace("net", 5n)));
    assert.isFalse(new Namespace("net", 5n).is(new Namespace("net", 6n)));
    assert.isFalse(new Namespace("net", 5n).is(new Namespace("pid", 5n)));
    const unknown = new Namespace("net");
    assert.isTrue(unknown.is(unknown));
    assert.isFalse(unknown.is(new Namespace("net")));
  });

  it("is there for every kind, known or not", () => {
    const namespaces = makeNamespaces({ pid: 7n });
    assert.equal(namespaces.pid.id, 7n);
    assert.isUndefined(namespaces.uts.id);
    assert.equal(namespaces.uts.kind, "uts");
  });
});
