import * as abi from "@rsyscall/abi";
import * as handle from "@rsyscall/handle";
import * as memory from "@rsyscall/memory";
import * as near from "@rsyscall/near";
import * as wire from "@rsyscall/wire";
import { assert, describe, test } from "vitest";
import { calls, enums, fuse, types } from "./ancestor.ts";

/** Calls that are made otherwise here, and how. */
const otherCalls: Readonly<Record<string, string>> = {
  clone: "an operation of the server, because the child needs compiled code: `clone` of near",
  epoll_wait: "epoll_pwait(2), which arm64 has as well",
};

/** Enums with other names here. */
const otherEnums: Readonly<Record<string, string>> = {
  HowSIG: "SigHow",
  IdType: "P",
  InotifyFlag: "IN",
  MsghdrFlags: "MSG",
  OK: "ACCESS",
  RecvmsgFlags: "MSG",
  UMOUNT: "MNT",
};

/** Members with other names here: an export, or a member of one. */
const otherMembers: Readonly<Record<string, string>> = {
  "EpollFlag.CLOEXEC": "EPOLL_CLOEXEC",
  "FI.CLONE": "IOCTL.FICLONE",
  "FI.CLONERANGE": "IOCTL.FICLONERANGE",
  "MFD.HUGE_1GB": "MFD_HUGE.1GB",
  "MFD.HUGE_2MB": "MFD_HUGE.2MB",
  "S_IF.IFO": "S_IF.FIFO",
  "S_IF.MT": "S_IFMT",
  "Sighandler.DFL": "SIG_DFL",
  "Sighandler.IGN": "SIG_IGN",
  "UMOUNT.NOFOLLOW": "UMOUNT_NOFOLLOW",
};

/** Members that are not here, and why. */
const noMembers: Readonly<Record<string, string>> = {
  "O.FMODE_EXEC": "a flag inside the kernel, which open(2) does not take",
  "O.FMODE_NONOTIFY": "a flag inside the kernel, which open(2) does not take",
  "RTMGRP.DECnet_RULE": "Linux has no DECnet any more",
  "RTMGRP.IPV6_RULE": "a group without a bit: NETLINK_ADD_MEMBERSHIP takes its number",
  "RTMGRP.MPLS_ROUTE": "a group without a bit: NETLINK_ADD_MEMBERSHIP takes its number",
  "RTMGRP.NOP2": "no group",
  "RTMGRP.NOP4": "no group",
};

/** The names here of types that have another one: exports of abi, handle, memory, near or wire. */
const otherTypes: Readonly<Record<string, string>> = {
  ArgList: "execve",
  CmsgList: "decodeControl",
  CmsgSCMRights: "encodeScmRights",
  Dirent: "DirentHeader",
  DirentList: "decodeDirents",
  EpollEvent: "epollEventWithDataAt",
  EpollEventList: "Epoll",
  FutexNode: "RobustFutex",
  Ifreq: "ifreqs",
  InotifyEvent: "InotifyHeader",
  InotifyEventList: "decodeInotifyEvents",
  IovecList: "Iovec",
  Pipe: "pipe",
  RecvMsghdr: "Msghdr",
  RecvMsghdrOut: "Msghdr",
  RobustListHead: "RobustFutex",
  RsyscallSyscall: "Request",
  SendMsghdr: "Msghdr",
  Siginfo: "ChildSiginfo",
  Sockaddr: "decodeSockaddr",
  SockaddrStorage: "SOCKADDR_STORAGE_SIZE",
  Stack: "Child",
  Stat: "isRegular",
  StructList: "listOf",
  SyscallResponse: "decodeResult",
  Trampoline: "Child",
  bytes: "Bytes",
  path: "CString",
  str: "CString",
};

/** Types that are not here, and why. */
const noTypes: Readonly<Record<string, string>> = {
  Sockbuf: "the length word of getsockopt(2) and getsockname(2) is a matter of the method",
  Socketpair: "`Socket.pair` gives both ends",
};

const members = (text: string) => text.split(" ").filter((name) => name !== "NONE"); // it is 0

const exported = (name: string): unknown => {
  const [group = "", member] = name.split(".");
  const value = (abi as Readonly<Record<string, unknown>>)[group];
  return member === undefined ? value : (value as Readonly<Record<string, unknown>>)?.[member];
};

const inOurGroup = (name: string): string => {
  const [group = "", member] = name.split(".");
  return `${otherEnums[group] ?? group}.${member}`;
};

describe("what the ancestor has is here", () => {
  test("is counted right", () => {
    const all = Object.values(enums).map((text) => text.split(" ").length);
    const sum = all.reduce((a, b) => a + b, fuse.members);
    // With its enum of 85 numbers of system calls.
    assert.deepEqual(
      [calls.length, all.length + fuse.enums + 1, sum + 85, types.length],
      [84, 66, 691, 47],
    );
  });

  test("all its calls", () => {
    for (const name of calls) assert.notEqual(near.definitions.has(name), name in otherCalls, name);
  });

  test("all members of its enums, but for those of FUSE, which is a protocol of its own", () => {
    const missing = Object.entries(enums).flatMap(([group, text]) =>
      members(text)
        .map((member) => [group, `${group}.${member}`] as const)
        .filter(([, name]) => !(name in noMembers))
        .filter(([, name]) => exported(otherMembers[name] ?? inOurGroup(name)) === undefined)
        .map(([, name]) => name),
    );
    assert.deepEqual(missing, []);
    for (const name of Object.keys(noMembers)) assert.isUndefined(exported(name), name);
  });

  test("all its types but for those of FUSE", () => {
    const all: Readonly<Record<string, unknown>> = {
      ...abi,
      ...wire,
      ...near,
      ...memory,
      ...handle,
    };
    const missing = types
      .filter((name) => !(name in noTypes))
      .filter((name) => all[otherTypes[name] ?? name] === undefined);
    assert.deepEqual(missing, []);
  });
});
