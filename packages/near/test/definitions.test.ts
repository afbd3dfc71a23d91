import { F, SEEK, x86_64 } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe, test } from "vitest";
import * as near from "../src/index.ts";
import { local } from "./local.ts";

const { Address, Fd, NULL } = near;

/** A task that says the same whatever it is asked, and what it was asked. */
const saying = (answer: near.Word) => {
  const asked: Array<number> = [];
  const submit = (number: number): near.Word => {
    asked.push(number);
    return answer;
  };
  const sysif: near.SyscallInterface = {
    ...local,
    abi: x86_64,
    read: local.read,
    write: local.write,
    barrier: local.barrier,
    close: local.close,
    direct: undefined,
    syscall: (number) => Effect.sync(() => submit(number)),
  };
  return { sysif, submit, asked };
};

/** As `saying`, for calls that are submitted without an Effect. */
const sayingAtOnce = (answer: near.Word) => {
  const { sysif, submit, asked } = saying(answer);
  return { sysif: { ...sysif, direct: { submit, settle: () => {} } }, asked };
};

type MakeCall = (sysif: near.SyscallInterface) => near.Syscall<unknown>;

const fd = Fd(3);
const at = Address(4096);

describe("what the kernel would take for something else", () => {
  const refused: ReadonlyArray<[what: string, argument: string, MakeCall]> = [
    ["a fraction as a descriptor", "fd", (s) => near.close(s, Fd(1.5))],
    ["text as a descriptor", "fd", (s) => near.close(s, "3" as never)],
    // Each of them would be 0: standard input, the caller's group, root.
    ["a descriptor that is missing", "fd", (s) => near.close(s, undefined as never)],
    ["a pid that is missing", "pid", (s) => near.kill(s, undefined as never, 9)],
    ["a signal that is missing", "signal", (s) => near.kill(s, 1, undefined as never)],
    ["a user that is missing", "saved", (s) => near.setresuid(s, 1, 2, undefined as never)],
    ["a descriptor that is missing in a call by name", "from", (s) => near.call(s, "dup3")],
    ["flags that are missing in a call by name", "flags", (s) => near.call(s, "dup3", 3, 4)],
    ["a descriptor beyond 32 bits", "fd", (s) => near.read(s, Fd(2 ** 32 + 3), at, 1)],
    ["NaN as a length", "length", (s) => near.ftruncate(s, fd, Number.NaN)],
    ["infinity as a length", "length", (s) => near.ftruncate(s, fd, Number.POSITIVE_INFINITY)],
    ["a negative length", "length", (s) => near.ftruncate(s, fd, -1)],
    ["a negative bigint as a length", "length", (s) => near.ftruncate(s, fd, -1n)],
    ["an offset beyond 2^53 as a number", "offset", (s) => near.lseek(s, fd, 2 ** 53, SEEK.SET)],
    ["an offset beyond 64 bits", "offset", (s) => near.lseek(s, fd, 2n ** 64n, SEEK.SET)],
    ["a negative size", "length", (s) => near.write(s, fd, at, -1)],
    ["a pid of 33 bits", "pid", (s) => near.pidfdOpen(s, 2 ** 32 + 1, 0)],
    ["NaN as a signal", "signal", (s) => near.pidfdSendSignal(s, fd, Number.NaN)],
    ["NaN as a mask", "mask", (s) => near.umask(s, Number.NaN)],
    ["a mode of 17 bits", "mode", (s) => near.fchmod(s, fd, 0x10000)],
    [
      "a mode that the kernel would cut to 0600",
      "mode",
      (s) => near.fchmod(s, fd, 2 ** 32 + 0o600),
    ],
    ["flags of 33 bits", "flags", (s) => near.unshare(s, 2 ** 32)],
    ["NaN as flags of open", "flags", (s) => near.openat(s, -100, at, Number.NaN, 0)],
    ["4294967295 as a user, which is -1", "real", (s) => near.setresuid(s, 2 ** 32 - 1, 0, 0)],
    [
      "a least descriptor of 33 bits",
      "argument",
      (s) => near.fcntl(s, fd, F.DUPFD_CLOEXEC, 2 ** 32 + 50),
    ],
    ["flags of 33 bits in fcntl", "argument", (s) => near.fcntl(s, fd, F.SETFL, 2 ** 32)],
    ["NaN as an address", "path", (s) => near.chdir(s, Address(Number.NaN))],
    [
      "NaN in a call that is not defined",
      "argument 2",
      (s) => near.call(s, "vfork", 0, Number.NaN),
    ],
  ];
  for (const [what, argument, make] of refused)
    it(`is refused, and is not sent: ${what}`, function* () {
      for (const { sysif, asked } of [saying(0), sayingAtOnce(0)]) {
        const error = yield* Effect.flip(make(sysif));
        assert.deepInclude({ ...error }, { _tag: "InvalidArgumentError", argument });
        assert.match(error.message, /^\w+: .+ is .+, and must be an? .+ from .+ to /);
        const [exit] = yield* near.batchExits([make(sysif)]);
        assert.deepInclude({ ...(yield* Effect.flip(exit)) }, { argument });
        assert.deepEqual(asked, []);
      }
    });

  it("is what it is where the kernel takes all 64 bits, or a negative number", function* () {
    const { sysif } = sayingAtOnce(0);
    yield* near.lseek(sysif, fd, -(2n ** 63n), SEEK.SET);
    yield* near.lseek(sysif, fd, 2n ** 64n - 1n, SEEK.SET);
    yield* near.inotifyRmWatch(sysif, fd, -(2 ** 31));
    yield* near.closeRange(sysif, 3, 2 ** 32 - 1, 0);
    yield* near.setresuid(sysif, -1, 0, 2 ** 32 - 2);
    yield* near.epollCtl(sysif, fd, 1, fd, at);
    yield* near.unshare(sysif, 0x80000000 | 0x400);
  });

  it("is nothing where a call takes no such argument", function* () {
    const { sysif, asked } = sayingAtOnce(0);
    yield* near.call(sysif, "sync", Number.NaN);
    assert.deepEqual(asked, [local.abi.syscallNumber("sync")]);
  });

  it("is refused in calls by number, too", function* () {
    const number = local.abi.syscallNumber("close") as number;
    for (const value of [Number.NaN, 1.5, 2n ** 64n, "3" as never]) {
      const error = yield* Effect.flip(local.syscall(number, value));
      const refusal = { _tag: "InvalidArgumentError", syscall: "close", argument: "argument 1" };
      assert.deepInclude({ ...error } as object, { ...refusal, value });
    }
  });
});

describe("a result that no kernel gives", () => {
  const lies: ReadonlyArray<[what: string, near.Word, MakeCall]> = [
    ["more bytes than were asked for", 3 * 2 ** 30, (s) => near.readlinkat(s, -100, at, at, 4096)],
    ["one byte more", 17, (s) => near.read(s, fd, at, 16)],
    ["a negative count", -5000, (s) => near.read(s, fd, at, 16)],
    ["a bigint", 2n ** 62n, (s) => near.write(s, fd, at, 16)],
    ["a negative bigint", -(2n ** 62n), (s) => near.getdents(s, fd, at, 16)],
    ["a descriptor of 33 bits", 2 ** 32 + 3, (s) => near.openat(s, -100, at, 0, 0)],
    ["a negative descriptor", -4096, (s) => near.fcntl(s, fd, F.DUPFD_CLOEXEC, 0)],
    ["a pid of 0", 0, (s) => near.clone(s, at, at)],
    ["something where there is nothing", 1, (s) => near.chdir(s, at)],
    ["an address beyond all memory", 2 ** 53 - 1, (s) => near.mmap(s, NULL, 1, 0, 0, -1, 0)],
    ["more events than were asked for", 65, (s) => near.epollPwait(s, fd, at, 64, 0)],
    ["a nice value of 20", 0, (s) => near.getpriority(s, 0, 0)],
    ["a mask of 10 bits", 0o1000, (s) => near.umask(s, 0)],
  ];
  for (const [what, answer, make] of lies)
    it(`is EPROTO: ${what}`, function* () {
      for (const { sysif } of [saying(answer), sayingAtOnce(answer)]) {
        const error = yield* Effect.flip(make(sysif));
        assert.deepInclude({ ...error }, { _tag: "SyscallError", errno: "EPROTO" });
        assert.include(error.message, String(answer));
        assert.equal((yield* Effect.flip(near.batch([make(sysif)])))._tag, "SyscallError");
      }
    });

  it("is none at the limit", function* () {
    assert.equal(yield* near.read(sayingAtOnce(16).sysif, fd, at, 16), 16);
    assert.equal(yield* near.openat(sayingAtOnce(2 ** 31 - 1).sysif, -100, at, 0, 0), 2 ** 31 - 1);
    assert.equal(yield* near.getpriority(sayingAtOnce(40).sysif, 0, 0), -20);
    assert.equal(yield* near.fcntl(sayingAtOnce(-5000).sysif, fd, F.GETOWN), -5000);
  });

  it("is EOVERFLOW where an honest kernel may say it", function* () {
    const error = yield* Effect.flip(near.times(saying(2n ** 60n).sysif, near.NULL));
    assert.deepInclude({ ...error }, { _tag: "SyscallError", errno: "EOVERFLOW" });
    assert.include(error.message, String(2n ** 60n));
  });

  it("is a bigint where a position in a file is more than a number holds", function* () {
    const most = 2n ** 63n - 1n;
    assert.equal(yield* near.lseek(saying(most).sysif, fd, 0, SEEK.END), most);
    const error = yield* Effect.flip(near.lseek(saying(2n ** 63n).sysif, fd, 0, SEEK.END));
    assert.deepInclude({ ...error }, { _tag: "SyscallError", errno: "EPROTO" });
  });
});

describe("decoded", () => {
  test("is EPROTO for what cannot be decoded", () => {
    const exit = near.decoded("read", "fd 3", () => {
      throw new RangeError("17 bytes");
    });
    assert.include(JSON.stringify(exit), '"errno":"EPROTO"');
  });
});
