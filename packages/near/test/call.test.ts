import { aarch64, MFD, SEEK } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe, test } from "vitest";
import {
  type Address,
  call,
  close,
  Fd,
  ftruncate,
  getpid,
  isError,
  kill,
  LocalSyscallInterface,
  localAbi,
  lseek,
  memfdCreate,
  Pid,
  pipelined,
  read,
  type SyscallInterface,
} from "../src/index.ts";
import { local, memory } from "./local.ts";

const HUGE = 2n ** 60n + 1n;

const memfd = Effect.acquireRelease(
  Effect.gen(function* () {
    const name = yield* memory(8);
    yield* local.write(name, new TextEncoder().encode("sparse\0"));
    return yield* memfdCreate(local, name, MFD.CLOEXEC);
  }),
  (fd) => Effect.orDie(close(local, fd)),
);

describe("isError", () => {
  test("is true of the kernel's errnos and of no other result", () => {
    for (const result of [-1, -2, -4095]) assert.isTrue(isError(result), String(result));
    for (const result of [0, 1, -4096, -(2 ** 40), -1n, 2n ** 60n])
      assert.isFalse(isError(result), String(result));
  });
});

describe("call", () => {
  it("gives the result, or the error with the call and its subject", function* () {
    assert.equal(yield* call(local, "getpid"), process.pid);
    const error = yield* Effect.flip(call(local, "close", -1));
    assert.deepInclude(
      { ...error },
      { _tag: "SyscallError", syscall: "close", errno: "EBADF", number: 9, subject: "fd -1" },
    );
  });

  it("is ENOSYS where the task's machine does not have the call, without making any", function* () {
    const made: Array<number> = [];
    const elsewhere: SyscallInterface = {
      ...local,
      abi: aarch64,
      read: local.read,
      write: local.write,
      barrier: local.barrier,
      close: local.close,
      direct: undefined,
      syscall: (number) => Effect.sync(() => made.push(number)),
    };
    const error = yield* Effect.flip(call(elsewhere, "open").about("/etc/passwd"));
    assert.deepInclude({ ...error }, { syscall: "open", errno: "ENOSYS", subject: "/etc/passwd" });
    assert.deepEqual(made, []);
    yield* call(elsewhere, "openat", -100, 0, 0, 0);
    assert.deepEqual(made, [aarch64.syscallNumber("openat")], "the number of the task's machine");
  });

  it("takes arguments that no number holds exactly, as bigints", function* () {
    const fd = yield* memfd;
    yield* ftruncate(local, fd, HUGE);
    // The hole after the offset is a single byte only if the offset came through exactly.
    yield* Effect.exit(lseek(local, fd, HUGE - 1n, SEEK.SET));
    assert.equal(yield* read(local, fd, yield* memory(16), 16), 1);
    yield* Effect.exit(lseek(local, fd, HUGE - 3n, SEEK.SET));
    assert.equal(yield* read(local, fd, yield* memory(16), 16), 3);
  });

  it("never gives a result that no number holds exactly as a number", function* () {
    const fd = yield* memfd;
    yield* ftruncate(local, fd, HUGE);
    assert.strictEqual(yield* lseek(local, fd, 0, SEEK.END), HUGE);
    const raw = yield* local.syscall(local.abi.syscallNumber("lseek") as number, fd, -1, SEEK.CUR);
    assert.strictEqual(raw, HUGE - 1n);
    assert.equal(yield* lseek(local, fd, 2 ** 53 - 1, SEEK.SET), 2 ** 53 - 1);
  });

  test("takes identifiers of the right kind only", () => {
    const misuse = (pid: Pid, fd: Fd, address: Address) => [
      // @ts-expect-error a pid is no fd
      close(local, pid),
      // @ts-expect-error an address is no fd
      close(local, address),
      // @ts-expect-error a bare number is no fd
      close(local, 3),
      // @ts-expect-error an fd is no address
      read(local, fd, fd, 1),
      // @ts-expect-error there is no such call
      call(local, "opne"),
      kill(local, pid, 0),
    ];
    assert.isFunction(misuse);
    // @ts-expect-error an fd is no pid
    const pid: Pid = Fd(1);
    assert.equal(pid, Pid(1));
  });
});

describe("pipelined", () => {
  it("performs in order, and gives the results in order", function* () {
    const at = yield* memory(4);
    const results = yield* pipelined([
      local.write(at, Uint8Array.of(1, 2, 3, 4)),
      local.read(at, 2),
      local.write(at, Uint8Array.of(9)),
      local.read(at, 4),
      getpid(local),
    ]);
    assert.deepEqual(results[1], Uint8Array.of(1, 2));
    assert.deepEqual(results[3], Uint8Array.of(9, 2, 3, 4));
    assert.equal(results[4], process.pid);
  });
});

describe("localAbi", () => {
  test("is that of this process", () => {
    assert.equal(localAbi()?.machine, { x64: "x86_64", arm64: "aarch64" }[process.arch as "x64"]);
    assert.instanceOf(local, LocalSyscallInterface);
  });
});
