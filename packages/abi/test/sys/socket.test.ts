import { assert, describe, it } from "vitest";
import { Int32, listOf } from "../../src/Codec.ts";
import {
  Cmsghdr,
  cmsgAlign,
  cmsgSpace,
  decodeControl,
  encodeScmRights,
  Msghdr,
  SCM,
  SOL,
  Ucred,
} from "../../src/sys/socket.ts";
import { encoded, roundTrip } from "../codecBytes.ts";

describe("control messages", () => {
  it("are aligned to 8 bytes", () => {
    assert.deepEqual([0, 1, 8, 9].map(cmsgAlign), [0, 8, 8, 16]);
    assert.deepEqual([0, 4, 8, 12].map(cmsgSpace), [16, 24, 24, 32]);
  });

  it("pass descriptors", () => {
    for (const fds of [[], [3], [3, 4], [5, 6, 7]]) {
      const bytes = encodeScmRights(fds);
      assert.equal(bytes.length, cmsgSpace(4 * fds.length));
      const [message, ...others] = decodeControl(bytes);
      assert(message !== undefined && others.length === 0);
      assert.deepEqual([message.level, message.type], [SOL.SOCKET, SCM.RIGHTS]);
      assert.deepEqual(listOf(Int32).decode(message.data), fds);
    }
  });

  it("follow each other, and need no padding behind the last", () => {
    const credentials = new Uint8Array(Cmsghdr.size + Ucred.size);
    const header = { length: credentials.length, level: SOL.SOCKET, type: SCM.CREDENTIALS };
    Cmsghdr.encode(header, credentials);
    Ucred.encode({ pid: 1, uid: 2, gid: 3 }, credentials.subarray(Cmsghdr.size));
    const bytes = new Uint8Array([...encodeScmRights([9]), ...credentials]);
    const messages = decodeControl(bytes);
    assert.deepEqual(
      messages.map(({ type }) => type),
      [SCM.RIGHTS, SCM.CREDENTIALS],
    );
    assert.deepEqual(Ucred.decode(messages[1]?.data ?? bytes), { pid: 1, uid: 2, gid: 3 });
  });

  it("end at zeros, and where a header does not fit", () => {
    const bytes = new Uint8Array([...encodeScmRights([9]), ...new Uint8Array(40)]);
    assert.equal(decodeControl(bytes).length, 1);
    assert.equal(decodeControl(bytes.subarray(0, 24 + 15)).length, 1);
    assert.deepEqual(decodeControl(new Uint8Array()), []);
  });

  it("do not reach out of the bytes", () => {
    for (const length of [1, 15, 25, 2 ** 40, -1]) {
      const bytes = encodeScmRights([9]);
      Cmsghdr.encode({ length, level: SOL.SOCKET, type: SCM.RIGHTS }, bytes);
      assert.throws(() => decodeControl(bytes), RangeError);
    }
  });

  it("do not share memory with the bytes", () => {
    const bytes = encodeScmRights([9]);
    const [message] = decodeControl(bytes);
    bytes.fill(0xff);
    assert.equal(message?.data[0], 9);
  });
});

describe("Msghdr", () => {
  it("has 56 bytes", () => {
    const value = {
      name: 0x7fff_0000_0001,
      nameLength: 110,
      iov: 0x7fff_0000_0002,
      iovLength: 3,
      control: 0x7fff_0000_0004,
      controlLength: 5,
      flags: 0x40000000,
    };
    assert.equal(encoded(Msghdr, value).length, 56);
    assert.deepEqual(roundTrip(Msghdr, value), value);
  });
});
