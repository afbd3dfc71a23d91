import { readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { aarch64, Errno, type SyscallName, x86_64 } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { OP_CLONE } from "@rsyscall/wire";
import { assert, describe, expect, test } from "vitest";
import * as near from "../src/index.ts";
import { local } from "./local.ts";

const names = new Set(
  [x86_64, aarch64].flatMap(({ syscalls }) => Object.keys(syscalls) as Array<SyscallName>),
);

describe("every system call", () => {
  const refusals = near.refused.flatMap(({ names }) => names);

  test("is either defined or refused with a reason", () => {
    for (const name of names)
      assert.isTrue(near.definitions.has(name) !== refusals.includes(name), name);
    for (const name of [...near.definitions.keys(), ...refusals])
      assert.isTrue(names.has(name as SyscallName), name);
    assert.equal(new Set(refusals).size, refusals.length);
    for (const { reason } of near.refused) assert.match(reason, /\.$/);
    // How far it has come.
    assert.deepEqual([names.size, near.definitions.size, refusals.length], [385, 302, 83]);
  });

  test("is found by its number on each machine", () => {
    for (const abi of [x86_64, aarch64])
      for (const [name, number] of Object.entries(abi.syscalls))
        assert.equal(near.definitionOfNumber(abi, number), near.definitions.get(name), name);
    assert.equal(near.definitionOfNumber(x86_64, OP_CLONE), near.clone.definition);
  });

  test("has a kind for each argument, and says which are counted by which", () => {
    for (const { name, kinds, result } of near.definitions.values()) {
      assert.isAtMost(kinds.length, 6, name);
      if (result.countedBy >= 0) assert.isDefined(kinds[result.countedBy], name);
      const labels = kinds.map(({ label }) => label);
      assert.equal(new Set(labels).size, labels.length, `${name}: ${labels}`);
      for (const { memory } of kinds) {
        const counts = [memory?.content].flatMap((content) => {
          if (content?.is === "bytes" || content?.is === "sockaddr") return [content.length];
          return content?.is === "array" ? [content.count] : [];
        });
        for (const count of counts) {
          if (typeof count === "number") assert.isDefined(kinds[count], name);
          else if ("at" in count) assert.isDefined(kinds[count.at]?.memory, name);
        }
      }
    }
  });

  test("has the names of its signature at run time, in its errors", () => {
    const sources = readdirSync(`${import.meta.dirname}/../src`, {
      recursive: true,
      encoding: "utf8",
    })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(`${import.meta.dirname}/../src/${file}`, "utf8"));
    const calls = Object.values(near as Record<string, unknown>).filter(
      (value): value is near.DefinedCall<ReadonlyArray<unknown>, unknown> =>
        typeof value === "function" && "definition" in value,
    );
    assert.isAbove(calls.length, 300);
    for (const [, fields, name] of sources
      .join("\n")
      .matchAll(/ = define<\s*\[([^\]]*)\],[^>]*>\(\s*"(\w+)"/g)) {
      const labels = [...(fields ?? "").matchAll(/(\w+)\??:/g)].map(([, label]) => label);
      const definition = calls.find(({ definition }) => definition.name === name)?.definition;
      expect(
        definition?.kinds.map(({ label }) => label),
        name,
      ).toEqual(labels);
    }
  });

  test("that must be right for all its arguments is prompt, and none that may wait", () => {
    const mayWait =
      "read write close dup3 fcntl ioctl prctl setsockopt futex wait4 getrandom epoll_ctl mmap munmap mprotect bind connect kill tgkill fsync openat execve exit_group nanosleep";
    for (const name of mayWait.split(" ")) {
      assert.isTrue(near.definitions.has(name), name);
      assert.isFalse(near.definitions.get(name)?.isPrompt ?? true, name);
    }
    for (const name of [
      "getpid",
      "umask",
      "pipe2",
      "socketpair",
      "rt_sigprocmask",
      "timerfd_settime",
    ])
      assert.isTrue(near.definitions.get(name)?.isPrompt ?? false, name);
  });

  const [major = 0, minor = 0] = release().split(".").map(Number);

  // The kernel answers a call that it does not have with ENOSYS, for any arguments.
  it.skipIf(major < 6 || (major === 6 && minor < 17) ? "the kernel is older than 6.17" : undefined)(
    "has the number of the running kernel, where that is newer than its headers",
    function* () {
      for (const name of [
        "setxattrat",
        "removexattrat",
        "open_tree_attr",
        "file_setattr",
      ] as const) {
        const number = local.abi.syscallNumber(name) as number;
        // Not by the definition, which would refuse such arguments.
        const result = Number(yield* local.syscall(number, -1, -1, -1, -1, -1, -1));
        assert.include([-Errno.EINVAL, -Errno.E2BIG, -Errno.EFAULT], result, name);
      }
    },
  );
});
