import { assert, describe, it } from "vitest";
import { listOf } from "../src/Codec.ts";
import { O } from "../src/fcntl.ts";
import { abiOf, abis, type SyscallName } from "../src/index.ts";
import { EPOLL } from "../src/sys/epoll.ts";
import { encoded, roundTrip } from "./codecBytes.ts";

const [x86_64, aarch64] = [abiOf(62), abiOf(183)];
assert(x86_64 && aarch64);

describe("Abi", () => {
  it("is found by the machine of an executable", () => {
    assert.deepEqual(
      abis.map((abi) => abi.machine),
      ["x86_64", "aarch64"],
    );
    assert.equal(x86_64.machine, "x86_64");
    assert.equal(aarch64.machine, "aarch64");
    assert.isUndefined(abiOf(40));
  });

  it("numbers and names system calls", () => {
    assert.equal(x86_64.syscallNumber("openat"), 257);
    assert.equal(aarch64.syscallNumber("openat"), 56);
    assert.equal(x86_64.syscallNumber("open"), 2);
    assert.isUndefined(aarch64.syscallNumber("open"));
    assert.equal(aarch64.syscallName(56), "openat");
    assert.equal(aarch64.syscallName(9999), "syscall_9999");
    for (const { syscalls, syscallName } of abis) {
      for (const [name, number] of Object.entries(syscalls))
        assert.equal(syscallName(number), name);
    }
  });

  it("agrees between machines on the newer numbers", () => {
    for (const name of Object.keys(aarch64.syscalls) as Array<SyscallName>) {
      const number = aarch64.syscallNumber(name) ?? 0;
      if (number >= 424) assert.equal(x86_64.syscallNumber(name), number, name);
    }
  });

  it("translates open flags there and back", () => {
    assert.equal(aarch64.openFlagsToTarget(O.DIRECTORY), 0o40000);
    assert.equal(aarch64.openFlagsToTarget(O.NOFOLLOW), 0o100000);
    assert.equal(aarch64.openFlagsToTarget(O.DIRECT), 0o200000);
    assert.equal(aarch64.openFlagsToTarget(O.LARGEFILE), 0o400000);
    assert.equal(aarch64.openFlagsToTarget(O.TMPFILE), 0o20040000);
    for (const abi of abis) {
      for (const flag of Object.values(O)) {
        const flags = flag | O.CLOEXEC | O.RDWR;
        assert.equal(abi.openFlagsFromTarget(abi.openFlagsToTarget(flags)), flags);
        assert.equal(abi.openFlagsToTarget(abi.openFlagsFromTarget(flags)), flags);
      }
    }
  });

  it("lays out epoll events", () => {
    const event = { events: EPOLL.IN | EPOLL.ET, data: Number.MAX_SAFE_INTEGER };
    const decoded = { events: 0x80000001, data: Number.MAX_SAFE_INTEGER };
    for (const [abi, stride] of [
      [x86_64, 12],
      [aarch64, 16],
    ] as const) {
      assert.deepEqual(roundTrip(abi.epollEvent, event), decoded);
      assert.deepEqual(roundTrip(listOf(abi.epollEvent), [event, event]), [decoded, decoded]);
      assert.equal(listOf(abi.epollEvent).sizeOf([event, event]), 2 * stride);
      assert.equal(encoded(abi.epollEvent, event)[stride - 8], 0xff);
    }
    assert.throws(() => encoded(x86_64.epollEvent, { events: 0, data: 2 ** 53 }), RangeError);
  });

  it("lays out stat", () => {
    assert.equal(x86_64.stat.size, 144);
    assert.equal(aarch64.stat.size, 128);
    const time = { seconds: -1, nanoseconds: 999_999_999 };
    const value = {
      dev: 2n ** 63n,
      ino: 2n ** 64n - 1n,
      mode: 0o100644,
      nlink: 2,
      uid: 2 ** 32 - 1,
      gid: 7,
      rdev: 8n,
      size: 2 ** 50,
      blksize: 4096,
      blocks: 11,
      atime: time,
      mtime: { ...time, seconds: 2 ** 40 },
      ctime: { ...time, nanoseconds: 0 },
    };
    for (const { stat } of abis) assert.deepEqual(roundTrip(stat, value), value);
  });
});
