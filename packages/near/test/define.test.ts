import { fixedCString } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe, test } from "vitest";
import * as near from "../src/index.ts";
import { local, memory } from "./local.ts";

const { kinds, results, content } = near;
type Address = near.Address;
type Fd = near.Fd;
type Pid = near.Pid;

describe("define", () => {
  test("takes kinds of the arguments that it says, and no others", () => {
    const misuse = () => [
      near.define<[fd: Fd, length: number | bigint], void>(
        "ftruncate",
        [kinds.fd, kinds.fileSize],
        results.nothing,
      ),
      near.define<[fd: Fd, length: number], void>(
        "ftruncate",
        // @ts-expect-error the kinds are swapped
        [kinds.size, kinds.fd],
        results.nothing,
      ),
      // @ts-expect-error a kind is missing
      near.define<[fd: Fd, length: number], void>("ftruncate", [kinds.fd], results.nothing),
      // @ts-expect-error there is one kind too many
      near.define<[fd: Fd], void>("close", [kinds.fd, kinds.size], results.nothing),
      // @ts-expect-error a descriptor is no number
      near.define<[length: number], void>("close", [kinds.fd], results.nothing),
      // @ts-expect-error a number is no descriptor
      near.define<[fd: Fd], void>("close", [kinds.int], results.nothing),
      // @ts-expect-error a descriptor is no address
      near.define<[fd: Fd], void>("close", [kinds.path], results.nothing),
      // @ts-expect-error a pid is no descriptor
      near.define<[pid: Pid], void>("close", [kinds.fd], results.nothing),
      // @ts-expect-error what may be missing has nothing that stands for it
      near.define<[fd?: Fd], void>("close", [kinds.fd], results.nothing),
      // @ts-expect-error what must be given may not be missing
      near.define<[flags: number], Fd>("epoll_create1", [kinds.flags().or(0)], results.newFd),
      // @ts-expect-error nothing is no descriptor
      near.define<[flags: number], Fd>("epoll_create1", [kinds.flags()], results.nothing),
      // @ts-expect-error there is no such call
      near.define<[fd: Fd], void>("clsoe", [kinds.fd], results.nothing),
    ];
    assert.isFunction(misuse);
  });

  test("gives a function that takes arguments in their places, and no others", () => {
    const misuse = (fd: Fd, pid: Pid, at: Address) => [
      near.copyFileRange(local, fd, at, fd, at, 1, 0),
      // @ts-expect-error the descriptor and the offset are swapped
      near.copyFileRange(local, at, fd, fd, at, 1, 0),
      // @ts-expect-error a number is no descriptor
      near.copyFileRange(local, 3, at, fd, at, 1, 0),
      // @ts-expect-error a number is no address
      near.copyFileRange(local, fd, 0, fd, at, 1, 0),
      // @ts-expect-error an argument is missing
      near.copyFileRange(local, fd, at, fd, at, 1),
      // @ts-expect-error there is one argument too many
      near.copyFileRange(local, fd, at, fd, at, 1, 0, 0),
      // @ts-expect-error an fd is no pid
      near.kill(local, fd, 9),
      // @ts-expect-error an address is no pid
      near.kill(local, at, 9),
      near.kill(local, pid, 9),
      near.kill(local, -1, 9),
      // @ts-expect-error a number is no directory, but for AT.FDCWD
      near.mkdirat(local, 3, at, 0o777),
      near.mkdirat(local, -100, at, 0o777),
      near.mkdirat(local, fd, at, 0o777),
      // @ts-expect-error only -1 is no descriptor
      near.mmap(local, at, 1, 0, 0, 3, 0),
      near.accept4(local, fd, near.NULL, near.NULL, 0) satisfies near.Syscall<Fd>,
      near.mmap(local, at, 1, 0, 0, -1, 0) satisfies near.Syscall<Address>,
      // @ts-expect-error an Fd is no Pid
      near.accept4(local, fd, near.NULL, near.NULL, 0) satisfies near.Syscall<Pid>,
    ];
    assert.isFunction(misuse);
  });

  it("makes a call of a program's own, which errors name", function* () {
    const getName = near.define<[operation: number, name: Address], void>(
      "prctl",
      [kinds.int.as("operation"), kinds.output(content.value(fixedCString(16)), "name")],
      results.nothing,
      { about: (operation) => `operation ${operation}` },
    );
    const at = yield* memory(16);
    yield* getName(local, 16, at);
    assert.include(new TextDecoder().decode(yield* local.read(at, 16)), "\0");
    const refused = yield* Effect.flip(getName(local, -1, at));
    assert.equal(refused.message, "prctl(operation -1): EINVAL: Invalid argument");
    const wrong = yield* Effect.flip(getName(local, 16, near.Address(-1)));
    assert.equal(
      wrong.message,
      "prctl: name is -1, and must be an address from 0 to 9007199254740991, or a bigint of 64 bits",
    );
    assert.notEqual(near.definitions.get("prctl"), getName.definition, "the first one stays");
  });
});

describe("what an error is about", () => {
  const { NULL, Fd } = near;
  const none = Fd(-1);
  const subjects: ReadonlyArray<[subject: string | undefined, call: near.Syscall<unknown>]> = [
    ["fd -1", near.read(local, none, NULL, 0)],
    ["pid 7", near.kill(local, 7, 0)],
    ["thread 8 of pid 7", near.tgkill(local, 7, 8, 0)],
    ["fd 5", near.epollCtl(local, none, 1, Fd(5), NULL)],
    ["watch 3", near.inotifyRmWatch(local, none, 3)],
    ["CLONE_NEWUTS", near.unshare(local, 0x04000000)],
    ["PR_SET_NAME", near.prctl(local, 15)],
    ["CLOCK_TAI", near.timerfdCreate(local, 11, 0)],
    ["uid 5", near.setuid(local, 5)],
    ["signal 9", near.sigaction(local, 9, NULL)],
    // A path is known by the caller.
    [undefined, near.openat(local, -100, NULL, 0, 0)],
    [undefined, near.inotifyAddWatch(local, none, NULL, 0)],
    [undefined, near.fstatat(local, none, NULL, NULL, 0)],
    ["fd -1", near.fstatat(local, none, NULL, NULL, 0x1000)],
    ["it", near.openat(local, -100, NULL, 0, 0).about("it")],
    ["that", near.read(local, none, NULL, 0).about(() => "that")],
  ];
  for (const [subject, call] of subjects)
    test(`is ${subject}, of ${call.name}`, () => assert.equal(call.subject, subject));

  it("is not asked for without an error", function* () {
    let asked = 0;
    const counting = () => String(++asked);
    yield* near.getpid(local).about(counting);
    assert.equal(asked, 0);
    yield* Effect.exit(near.close(local, none).about(counting));
    assert.equal(asked, 1);
  });
});
