import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { aarch64, type SyscallName, x86_64 } from "@rsyscall/abi";
import { assert, describe, test } from "vitest";
import { definitions, SyscallError, since } from "../src/index.ts";

const syscalls = { ...aarch64.syscalls, ...x86_64.syscalls };
const all = Object.entries(syscalls) as ReadonlyArray<[SyscallName, number]>;

/** A version as a number that can be compared. */
const order = (version: string): number => {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return (major * 1000 + minor) * 1000 + patch;
};

/** Names that never had a working call. */
const never = [
  "afs_syscall",
  "epoll_ctl_old",
  "epoll_wait_old",
  "getpmsg",
  "putpmsg",
  "security",
  "tuxcall",
  "vserver",
];

/** The table of the man page of this machine, with the version of each call. */
const manual = "/usr/share/man/man2/syscalls.2.gz";

describe("the version that brought a system call", () => {
  test("is known of every call", () => {
    const unknown = all.map(([name]) => name).filter((name) => since(name) === undefined);
    assert.deepEqual(unknown.sort(), never);
    for (const name of definitions.keys()) assert.isDefined(since(name), name);
  });

  test("follows the order of the numbers, which are the same on all machines from 424 on", () => {
    // Numbers that were taken before their calls were merged.
    const early = ["close_range", "quotactl_fd"];
    const newer = all
      .filter(([name, number]) => number >= 424 && !early.includes(name))
      .sort(([, a], [, b]) => a - b);
    const versions = newer.map(([name]) => order(since(name) as string));
    assert.deepEqual(
      versions,
      [...versions].sort((a, b) => a - b),
    );
    // The kernel's tables: the first call of 5.1, of 5.5 and later, and the last one.
    assert.deepEqual(
      [
        "pidfd_send_signal",
        "clone3",
        "close_range",
        "openat2",
        "cachestat",
        "rseq_slice_yield",
      ].map(since),
      ["5.1", "5.3", "5.9", "5.6", "6.5", "7.0"],
    );
  });

  test.skipIf(!existsSync(manual))("is that of syscalls(2)", () => {
    const page = gunzipSync(readFileSync(manual)).toString();
    const rows = [...page.matchAll(/^\\fB(\w+)\\fP(?:\(2\))?\t([\d.]+)/gm)];
    assert.isAbove(rows.length, 400);
    let compared = 0;
    for (const [, name = "", version] of rows) {
      // The page has the version that uselib and its like lost their last user.
      if (!(name in syscalls) || ["poll"].includes(name)) continue;
      assert.equal(since(name), version, name);
      compared++;
    }
    assert.isAbove(compared, 330);
  });

  test("is in the error of a kernel that does not have the call", () => {
    assert.match(
      SyscallError.of("cachestat", "ENOSYS").message,
      /^cachestat: ENOSYS: .* \(Linux has it since 6\.5: the kernel is older, was built without it, or a filter of seccomp\(2\) refuses it\)$/,
    );
    assert.equal(
      SyscallError.of("unknown", "ENOSYS").message,
      "unknown: ENOSYS: Function not implemented",
    );
  });
});
