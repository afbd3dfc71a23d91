import { spawnSync } from "node:child_process";
import { closeSync, openSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assert, describe, it } from "vitest";
import { readMemory, stubPath, syscall, viewMemory, watch, writeMemory } from "../src/index.ts";

const SYS = {
  close: 3,
  mmap: 9,
  lseek: 8,
  getpid: 39,
  munmap: 11,
  memfd_create: 319,
  eventfd2: 290,
  write: 1,
};

describe("syscall", () => {
  it("gives what the kernel returns, errors too", () => {
    assert.equal(syscall(SYS.getpid), process.pid);
    assert.equal(syscall(SYS.close, -1), -9);
    assert.throws(() => syscall(SYS.close, "1" as never), TypeError);
  });

  it("takes and gives bigints where numbers are not exact", () => {
    const page = syscall(SYS.mmap, 0, 4096, 3, 0x22, -1, 0) as number;
    writeMemory(page, Uint8Array.of(120, 0));
    const memfd = syscall(SYS.memfd_create, page, 1) as number;
    assert.equal(syscall(SYS.lseek, memfd, 2n ** 62n, 0), 2n ** 62n);
    assert.equal(syscall(SYS.lseek, memfd, 2 ** 52, 0), 2 ** 52);
    syscall(SYS.close, memfd);
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
    syscall(SYS.munmap, page, 4096);
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

  it("names what it cannot watch", () => {
    const fd = openSync(fileURLToPath(import.meta.url), "r");
    assert.throws(() => watch(fd, () => {}), /operation not permitted/);
    closeSync(fd);
  });

  it("keeps no process running that did not ask for it", () => {
    const addon = fileURLToPath(new URL("../build/rsyscall.node", import.meta.url));
    const program = (end: string) => `
      const { Watch, syscall } = require(${JSON.stringify(addon)});
      const watch = new Watch(syscall(290, 0, 0), () => {});
      ${end}`;
    for (const end of ["", "watch.ref(); watch.unref();", "watch.ref(); watch.close();"]) {
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
