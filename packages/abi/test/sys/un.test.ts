import { assert, describe, it } from "vitest";
import { SOCKADDR_UN_PATH_MAX, SockaddrUn } from "../../src/sys/un.ts";
import { encoded, roundTrip } from "../codecBytes.ts";

describe("SockaddrUn", () => {
  it("ends a path with a NUL", () => {
    assert.deepEqual([...encoded(SockaddrUn, { path: "/a" })], [1, 0, 0x2f, 0x61, 0]);
    assert.deepEqual(roundTrip(SockaddrUn, { path: "/tmp/\udcff" }), { path: "/tmp/\udcff" });
    assert.deepEqual(roundTrip(SockaddrUn, { path: Uint8Array.of(0x61) }), { path: "a" });
  });

  it("takes an abstract address whole", () => {
    assert.deepEqual([...encoded(SockaddrUn, { path: "\0a\0" })], [1, 0, 0, 0x61, 0]);
    assert.deepEqual(roundTrip(SockaddrUn, { path: "\0a\0b\0" }), { path: "\0a\0b\0" });
  });

  it("may be without an address", () => {
    assert.deepEqual([...encoded(SockaddrUn, { path: "" })], [1, 0]);
    assert.deepEqual(SockaddrUn.decode(Uint8Array.of(1, 0)), { path: "" });
    assert.deepEqual(SockaddrUn.decode(new Uint8Array()), { path: "" });
  });

  it("decodes a path that fills its room without a NUL", () => {
    const bytes = Uint8Array.of(1, 0, ...new Uint8Array(SOCKADDR_UN_PATH_MAX).fill(0x61));
    assert.deepEqual(SockaddrUn.decode(bytes), { path: "a".repeat(SOCKADDR_UN_PATH_MAX) });
  });

  it("refuses what is too long, a NUL within a path, and other families", () => {
    const sizeOf = (path: string) => SockaddrUn.sizeOf({ path });
    assert.equal(sizeOf("a".repeat(SOCKADDR_UN_PATH_MAX - 1)), 110);
    assert.throws(() => sizeOf("a".repeat(SOCKADDR_UN_PATH_MAX)), RangeError);
    assert.equal(sizeOf(`\0${"a".repeat(SOCKADDR_UN_PATH_MAX - 1)}`), 110);
    assert.throws(() => sizeOf(`\0${"a".repeat(SOCKADDR_UN_PATH_MAX)}`), RangeError);
    assert.throws(() => sizeOf("a\0b"), RangeError);
    assert.throws(() => SockaddrUn.decode(Uint8Array.of(2, 0, 0, 0)), RangeError);
  });
});
