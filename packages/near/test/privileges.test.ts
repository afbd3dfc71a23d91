import { CAP } from "@rsyscall/abi";
import { assert, describe, test } from "vitest";
import { definitions, privilegeOf, refused, SyscallError } from "../src/index.ts";

const names = [...definitions.keys(), ...refused.flatMap(({ names }) => names)];
const privileged = names.flatMap((name) =>
  (["EPERM", "EACCES"] as const).flatMap((errno) => {
    const text = privilegeOf(name, errno);
    return text === undefined ? [] : [{ name, errno, text }];
  }),
);

describe("the privilege of a system call", () => {
  test("is a capability that there is, and no errno of another call", () => {
    assert.isAbove(privileged.length, 80);
    for (const { name, text } of privileged) {
      const named = [...text.matchAll(/CAP_(\w+)/g)].map(([, name]) => name as string);
      assert.isTrue(named.length > 0 || name === "capset", name);
      for (const capability of named) assert.property(CAP, capability, name);
    }
    assert.isUndefined(privilegeOf("getpid", "EPERM"));
    assert.isUndefined(privilegeOf("mount", "EACCES"));
    assert.isUndefined(privilegeOf("toString", "EPERM"));
  });

  test("is in the message of the error", () => {
    assert.match(
      SyscallError.of("reboot", "EPERM").message,
      /^reboot: EPERM: Operation not permitted \(the process needs CAP_SYS_BOOT/,
    );
    assert.include(SyscallError.of("fsetxattr", "EPERM", "fd 3").message, "CAP_SETFCAP");
  });

  test("depends on what the call is about, if the call is many in one", () => {
    const message = (syscall: string, subject: string) =>
      SyscallError.of(syscall, "EPERM", subject).message;
    assert.include(message("fcntl", "F_SETPIPE_SZ of fd 3"), "CAP_SYS_RESOURCE");
    assert.include(message("fcntl", "F_ADD_SEALS of fd 3"), "MFD.ALLOW_SEALING");
    assert.notInclude(message("fcntl", "fd 3"), "CAP_");
    assert.include(message("ioctl", "LOOP_SET_FD of fd 3"), "CAP_SYS_ADMIN");
    assert.include(message("ioctl", "FS_IOC_SETFLAGS of fd 3"), "CAP_LINUX_IMMUTABLE");
    assert.notInclude(message("ioctl", "FIONREAD of fd 3"), "CAP_");
  });
});
