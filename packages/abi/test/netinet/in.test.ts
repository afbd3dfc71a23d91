import { isIPv6 } from "node:net";
import { assert, describe, test } from "vitest";
import {
  decodeSockaddr,
  encodeSockaddr,
  type Sockaddr,
  SockaddrIn,
  SockaddrIn6,
} from "../../src/index.ts";

describe("addresses of the Internet", () => {
  const there: ReadonlyArray<[Sockaddr, string]> = [
    [{ family: "inet", address: "127.0.0.1", port: 80 }, "02000050 7f000001 00000000 00000000"],
    [{ family: "inet", address: "255.0.1.20", port: 65535 }, "0200ffff ff000114 00000000 00000000"],
    [
      { family: "inet6", address: "::1", port: 8080, flowinfo: 0, scopeId: 0 },
      "0a001f90 00000000 00000000 00000000 00000000 00000001 00000000",
    ],
    [
      { family: "inet6", address: "fe80::1:0:0:2", port: 1, flowinfo: 7, scopeId: 3 },
      "0a000001 00000007 fe800000 00000000 00010000 00000002 03000000",
    ],
  ];
  for (const [address, bytes] of there)
    test(`${JSON.stringify(address)} is the bytes of the kernel, and back`, () => {
      const encoded = encodeSockaddr(address);
      assert.equal(Buffer.from(encoded).toString("hex"), bytes.replaceAll(" ", ""));
      assert.deepEqual(decodeSockaddr(encoded), address);
    });

  test("are taken as they are usually written, and given in one way", () => {
    for (const [written, preferred] of [
      ["0:0:0:0:0:0:0:1", "::1"],
      ["2001:DB8::0001:0", "2001:db8::1:0"],
      ["::ffff:127.0.0.1", "::ffff:127.0.0.1"],
      ["::ffff:0:0", "::ffff:0.0.0.0"],
      ["::1:ffff:7f00:1", "::1:ffff:7f00:1"],
      ["::", "::"],
    ] as const) {
      assert.isTrue(isIPv6(written));
      const bytes = encodeSockaddr({ family: "inet6", address: written, port: 0 });
      assert.deepInclude(decodeSockaddr(bytes), { address: preferred });
    }
  });

  test("are nothing else", () => {
    const bytes = new Uint8Array(28);
    for (const address of [
      "",
      "localhost",
      "1.2.3",
      "1.2.3.256",
      "1.2.3.04",
      "1.2.3.4.5",
      " 1.2.3.4",
    ])
      assert.throws(() => SockaddrIn.encode({ address, port: 1 }, bytes), RangeError);
    for (const address of ["", ":::", "1::2::3", "::1]@evil", "fe80::1%eth0", "12345::", "1.2.3.4"])
      assert.throws(() => SockaddrIn6.encode({ address, port: 1 }, bytes), RangeError);
    for (const port of [-1, 65536, 1.5, Number.NaN])
      assert.throws(() => SockaddrIn.encode({ address: "127.0.0.1", port }, bytes), RangeError);
    assert.isUndefined(decodeSockaddr(new Uint8Array(0)));
  });

  test("of another family, or too short for their own, keep their bytes", () => {
    for (const [family, ...data] of [[2, 1], [16, 0, 0], [77, 1, 2, 3], [1000]] as const) {
      const bytes = Uint8Array.of(family & 0xff, family >> 8, ...data);
      assert.deepEqual(decodeSockaddr(bytes), { family, data: Uint8Array.from(data) });
      assert.deepEqual(encodeSockaddr({ family, data: Uint8Array.from(data) }), bytes);
    }
  });
});
