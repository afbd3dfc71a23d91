import { spawnSync } from "node:child_process";
import { closeSync, openSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assert, describe, it } from "vitest";
import { unsupportedRuntime } from "../src/errors.ts";
import {
  AtEnd,
  atEnd,
  readMemory,
  stubPath,
  syscall,
  unviewMemory,
  viewMemory,
  watch,
  writeMemory,
} from "../src/index.ts";

const SYS = {
  close: 3,
  fstat: 5,
  lseek: 8,
  mmap: 9,
  getpid: 39,
  munmap: 11,
  rt_sigpending: 127,
  memfd_create: 319,
  eventfd2: 290,
  pipe2: 293,
  socketpair: 53,
  fcntl: 72,
  write: 1,
};

describe("syscall", () => {
  it("gives what the kernel returns, errors too", () => {
    assert.equal(syscall(SYS.getpid), process.pid);
    assert.equal(syscall(SYS.close, -1), -9);
    assert.throws(() => syscall(SYS.close, "1" as never), TypeError);
    assert.throws(() => syscall(SYS.close, undefined as never), TypeError);
    // A number that no kernel has.
    assert.equal(syscall(100_000), -38);
    // What is missing is 0, as descriptor 0 is here.
    assert.equal(syscall(SYS.fstat), -14);
  });

  it("passes six words, each in its place, and ignores a seventh", () => {
    const words = (...args: ReadonlyArray<number>) =>
      syscall(SYS.mmap, ...(args as [number, number, number, number, number, number]));
    // The sixth is the offset, which must be a multiple of a page.
    assert.equal(words(0, 4096, 3, 0x22, -1, 1), -22);
    const page = words(0, 4096, 3, 0x22, -1, 0, 1) as number;
    assert.isAbove(page, 0);
    assert.equal(syscall(SYS.munmap, page, 4096), 0);
  });

  it("takes and gives bigints where numbers are not exact", () => {
    const page = syscall(SYS.mmap, 0, 4096, 3, 0x22, -1, 0) as number;
    writeMemory(page, Uint8Array.of(120, 0));
    const memfd = syscall(SYS.memfd_create, page, 1) as number;
    assert.equal(syscall(SYS.lseek, memfd, 2n ** 62n, 0), 2n ** 62n);
    assert.equal(syscall(SYS.lseek, memfd, 2 ** 52, 0), 2 ** 52);
    // Beyond 2^63 the bits are the same as those of a negative number.
    assert.equal(syscall(SYS.lseek, memfd, 2n ** 64n - 1n, 0), -22);
    assert.equal(syscall(SYS.lseek, memfd, -1, 0), -22);
    // Around the last number that is exact.
    for (const offset of [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n]) {
      const expected = offset < 2n ** 53n ? Number(offset) : offset;
      assert.equal(syscall(SYS.lseek, memfd, offset, 0), expected);
    }
    syscall(SYS.close, memfd);
    syscall(SYS.munmap, page, 4096);
  });

  it("carries masks of 64 bits to memory that the kernel fills in", () => {
    const page = syscall(SYS.mmap, 0, 4096, 3, 0x22, -1, 0) as number;
    // sigpending(2) has nothing; what was there before is gone, in all 8 bytes and in no more.
    writeMemory(page, new Uint8Array(16).fill(255));
    assert.equal(syscall(SYS.rt_sigpending, page, 8), 0);
    assert.deepEqual([...readMemory(page, 16)], [...Array(8).fill(0), ...Array(8).fill(255)]);
    syscall(SYS.munmap, page, 4096);
  });
});

describe("memory", () => {
  it("is copied in and out, and seen through a view", () => {
    const page = syscall(SYS.mmap, 0, 4096, 3, 0x22, -1, 0) as number;
    writeMemory(page + 1, Uint8Array.of(1, 2, 3));
    const view = new Uint8Array(viewMemory(page, 8));
    assert.deepEqual([...view], [0, 1, 2, 3, 0, 0, 0, 0]);
    view[7] = 9;
    const copy = readMemory(page, 8);
    assert.equal(copy[7], 9);
    view[7] = 10;
    assert.equal(copy[7], 9, "a copy");
    // As often as one likes.
    assert.equal(new Uint8Array(viewMemory(page, 8))[7], 10);
    assert.equal(new Uint8Array(viewMemory(page + 7, 1))[0], 10);
    assert.equal(readMemory(page, 0).length, 0);
    writeMemory(page, new Uint8Array(0));
    // The part of a larger buffer that a view shows, and no other.
    writeMemory(page, Uint8Array.of(1, 2, 3, 4).subarray(1, 3));
    assert.deepEqual([...readMemory(page, 4)], [2, 3, 2, 3]);
    syscall(SYS.munmap, page, 4096);
  });

  it("is left alone by its views when they are collected, and out of reach when they are detached", () => {
    const addon = fileURLToPath(new URL("../build/rsyscall.node", import.meta.url));
    const program = `
      const { syscall, view, unview } = require(${JSON.stringify(addon)});
      const size = 2 ** 24;
      const block = syscall(9, 0, size, 3, 0x22, -1, 0);
      let seen = new Uint8Array(view(block, size));
      seen[5] = 6;
      seen = undefined;
      gc();
      const buffer = view(block, size);
      seen = new Uint8Array(buffer);
      if (seen[5] !== 6) throw new Error("the memory is gone");
      unview(buffer);
      syscall(11, block, size);
      seen[5] = 7;
      if (seen.length !== 0 || seen[5] !== undefined) throw new Error("the view is still there");`;
    const { status, stderr } = spawnSync(process.execPath, ["--expose-gc", "-e", program]);
    assert.equal(status, 0, stderr.toString());
  });
});

describe("wrong arguments", () => {
  it("are TypeErrors, and no memory is touched", () => {
    assert.throws(() => writeMemory("1" as never, new Uint8Array(1)), TypeError);
    assert.throws(() => writeMemory(0, new Uint16Array(1) as never), TypeError);
    assert.throws(() => writeMemory(0, undefined as never), TypeError);
    assert.throws(() => viewMemory(0, -1), TypeError);
    assert.throws(() => unviewMemory({} as never), TypeError);
    assert.throws(() => watch(0, undefined as never), TypeError);
    assert.throws(() => watch(0.5 as never, "f" as never), TypeError);
    // Nothing, from and to no address.
    assert.equal(readMemory(0, 0).length, 0);
    writeMemory(0, new Uint8Array(0));
  });

  it("of a method are a TypeError as well", () => {
    const fd = syscall(SYS.eventfd2, 0, 0) as number;
    const watching = watch(fd, () => {});
    assert.throws(() => watching.ref.call({} as never), TypeError);
    watching.close();
    watching.ref();
    watching.close();
    syscall(SYS.close, fd);
  });
});

describe("a runtime", () => {
  it("that is not Node is refused, with its name and a remedy", () => {
    assert.equal(unsupportedRuntime(process.versions), undefined);
    // Both say that they are Node too.
    for (const [key, name] of [
      ["bun", "Bun"],
      ["deno", "Deno"],
    ] as const)
      assert.match(
        unsupportedRuntime({ node: "24.0.0", [key]: "1.2.3" }) ?? "",
        new RegExp(`this is ${name} 1\\.2\\.3, .* run this program with Node`),
      );
  });
});

describe("the end of an environment", () => {
  const [CLOSE, KILL] = [AtEnd.CLOSE, AtEnd.KILL];

  it("closes what system calls have opened, and what was closed is forgotten", () => {
    const fd = syscall(SYS.eventfd2, 0, 0) as number;
    assert.equal(atEnd[fd], CLOSE);
    const duplicate = syscall(SYS.fcntl, fd, 1030, 100) as number;
    assert.deepEqual([duplicate >= 100, atEnd[duplicate]], [true, CLOSE]);
    assert.equal(syscall(SYS.fcntl, fd, 1), 0);
    assert.equal(atEnd[0], 0, "the result of another fcntl is no descriptor");
    syscall(SYS.close, fd);
    syscall(SYS.close, duplicate);
    assert.deepEqual([atEnd[fd], atEnd[duplicate]], [0, 0]);
    const page = syscall(SYS.mmap, 0, 4096, 3, 0x22, -1, 0) as number;
    for (const open of [
      () => syscall(SYS.pipe2, page, 0),
      () => syscall(SYS.socketpair, 1, 1, 0, page),
    ]) {
      assert.equal(open(), 0);
      const both = new Int32Array(readMemory(page, 8).buffer);
      for (const one of both) {
        assert.equal(atEnd[one], CLOSE);
        syscall(SYS.close, one);
        assert.equal(atEnd[one], 0);
      }
    }
    syscall(SYS.munmap, page, 4096);
    assert.equal(CLOSE & KILL, 0);
  });
});

describe("watch", () => {
  it("calls back when the descriptor is readable, until it is closed", async () => {
    const fd = syscall(SYS.eventfd2, 0, 0o2004000) as number;
    let calls = 0;
    let wake = () => {};
    const watching = watch(fd, () => {
      calls++;
      wake();
    });
    watching.ref();
    const page = syscall(SYS.mmap, 0, 4096, 3, 0x22, -1, 0) as number;
    writeMemory(page, Uint8Array.of(1));
    const called = new Promise<void>((resolve) => {
      wake = resolve;
    });
    syscall(SYS.write, fd, page, 8);
    await called;
    watching.close();
    const before = calls;
    // It is still readable; two turns of the loop would tell.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(calls, before);
    watching.close();
    syscall(SYS.munmap, page, 4096);
    syscall(SYS.close, fd);
  });

  it("lives without anybody holding it, and what it throws is uncaught, not lost", () => {
    const addon = fileURLToPath(new URL("../build/rsyscall.node", import.meta.url));
    const program = `
      const { watch, syscall, write } = require(${JSON.stringify(addon)});
      const page = syscall(9, 0, 4096, 3, 0x22, -1, 0);
      const fd = syscall(290, 0, 0);
      write(page, Uint8Array.of(1));
      let order = "";
      process.on("uncaughtException", (error) => {
        process.exitCode = error.message === "as expected" && order === "callback microtask" ? 0 : 1;
        process.exit();
      });
      watch(fd, () => {
        order = "callback";
        queueMicrotask(() => { order += " microtask"; throw new Error("as expected"); });
      }).ref();
      gc();
      setImmediate(() => { gc(); syscall(1, fd, page, 8); });`;
    const { status, stderr } = spawnSync(process.execPath, ["--expose-gc", "-e", program], {
      timeout: 10_000,
    });
    assert.equal(status, 0, stderr.toString());
  });

  it("names what it cannot watch", () => {
    const fd = openSync(fileURLToPath(import.meta.url), "r");
    assert.throws(() => watch(fd, () => {}), /operation not permitted/);
    closeSync(fd);
  });

  it("keeps no process running that did not ask for it", () => {
    const addon = fileURLToPath(new URL("../build/rsyscall.node", import.meta.url));
    const program = (end: string) => `
      const { watch, syscall } = require(${JSON.stringify(addon)});
      const watching = watch(syscall(290, 0, 0), () => {});
      ${end}`;
    for (const end of [
      "",
      "watching.ref(); watching.unref();",
      "watching.ref(); watching.close();",
    ]) {
      const { status, signal } = spawnSync(process.execPath, ["-e", program(end)], {
        timeout: 10_000,
      });
      assert.deepEqual([status, signal], [0, null], end);
    }
  });
});

describe("the stub", () => {
  it("is there, executable, static and small", () => {
    const { mode, size } = statSync(stubPath);
    assert.equal(mode & 0o111, 0o111);
    assert.isBelow(size, 32 * 1024);
  });
});
