import { type ErrnoName, errnoMessage } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Cause, Effect, Exit } from "effect";
import { assert, describe, expectTypeOf, test } from "vitest";
import {
  type ConnectionError,
  catchErrno,
  hasLeft,
  InvalidArgumentError,
  InvalidStateError,
  isGone,
  leaving,
  SyscallError,
  type SyscallFailure,
  SyscallHangup,
  SyscallSendError,
} from "../src/index.ts";

describe("SyscallError", () => {
  test("names the call, its subject and the errno, in numbers and words", () => {
    const error = SyscallError.from("openat", -2, "/missing");
    assert.deepInclude(
      { ...error },
      { _tag: "SyscallError", syscall: "openat", number: 2, errno: "ENOENT", subject: "/missing" },
    );
    assert.equal(error.message, "openat(/missing): ENOENT: No such file or directory");
    assert.equal(SyscallError.from("fork", -11).message, `fork: EAGAIN: ${errnoMessage("EAGAIN")}`);
    assert.instanceOf(error, Error);
  });

  test("is the same whether the kernel refused or we did on its behalf", () => {
    assert.deepEqual(
      { ...SyscallError.of("bind", "EADDRINUSE", "a") },
      { ...SyscallError.from("bind", -98, "a") },
    );
  });

  test("has a name and a message for errnos that nobody knows", () => {
    const error = SyscallError.from("ioctl", -4095, "fd 3");
    assert.equal(error.errno, "E4095" as ErrnoName);
    assert.equal(error.message, "ioctl(fd 3): E4095: Unknown error 4095");
  });
});

describe("catchErrno", () => {
  const failing = (errno: ErrnoName): Effect.Effect<number, SyscallFailure> =>
    Effect.fail(SyscallError.of("read", errno));

  it("recovers from the errnos that it is given, one or several", function* () {
    const name = ({ errno }: SyscallError) => Effect.succeed(errno);
    assert.equal(yield* failing("ENOENT").pipe(catchErrno("ENOENT", name)), "ENOENT");
    const several = catchErrno(["EACCES", "EPERM"], name);
    assert.equal(yield* several(failing("EPERM")), "EPERM");
    assert.equal(yield* several(failing("EACCES")), "EACCES");
    assert.equal(yield* several(Effect.succeed(3)), 3);
  });

  it("takes the effect first as well, as Effect's own combinators do", function* () {
    const name = ({ errno }: SyscallError) => Effect.succeed(errno);
    assert.equal(yield* catchErrno(failing("ENOENT"), "ENOENT", name), "ENOENT");
    assert.equal(yield* catchErrno(failing("EPERM"), ["EACCES", "EPERM"], name), "EPERM");
    const other = yield* Effect.flip(catchErrno(failing("EIO"), "ENOENT", name));
    assert.deepInclude({ ...other }, { errno: "EIO" });
  });

  it("lets everything else pass as it came", function* () {
    const caught: Array<unknown> = [];
    const recover = catchErrno("ENOENT", (error) => Effect.sync(() => caught.push(error)));
    const others = [
      SyscallError.of("read", "EIO"),
      new SyscallHangup({ syscall: "read" }),
      new SyscallSendError({ syscall: "read" }),
      // Looks like one, and comes from somewhere else.
      { _tag: "SyscallError", errno: "ENOENT" },
      undefined,
    ];
    for (const other of others)
      assert.strictEqual(yield* Effect.flip(recover(Effect.fail(other))), other);
    const defect = new Error("a defect");
    const died = yield* Effect.exit(recover(Effect.die(defect)));
    assert.isTrue(Exit.isFailure(died) && Cause.squash(died.cause) === defect);
    const interrupted = yield* Effect.exit(recover(Effect.interrupt));
    assert.isTrue(Exit.hasInterrupts(interrupted));
    assert.deepEqual(caught, []);
  });

  it("fails with what the recovery fails with", function* () {
    const error = yield* Effect.flip(
      failing("EIO").pipe(catchErrno("EIO", ({ number }) => Effect.fail({ status: number }))),
    );
    assert.deepEqual(error, { status: 5 });
  });

  test("adds to the types what the recovery gives, and keeps the errors that may remain", () => {
    const recovered = failing("EIO").pipe(catchErrno("EIO", () => Effect.succeed("text" as const)));
    const exact: Effect.Effect<number | "text", SyscallFailure> = recovered;
    const first = catchErrno(failing("EIO"), "EIO", () => Effect.fail("text" as const));
    expectTypeOf(recovered).toEqualTypeOf<Effect.Effect<number | "text", SyscallFailure>>();
    expectTypeOf(first).toEqualTypeOf<Effect.Effect<number, SyscallFailure | "text">>();
    // @ts-expect-error it may still fail, with other errnos
    const never: Effect.Effect<number | "text"> = recovered;
    // @ts-expect-error it may still be what it was
    const text: Effect.Effect<"text", SyscallFailure> = recovered;
    const misspelt = () =>
      // @ts-expect-error there is no such errno
      catchErrno("ENOSUCH", () => Effect.void);
    assert.isDefined([exact, never, text, misspelt]);
  });
});

describe("a refusal of our own", () => {
  const message = (value: unknown, cause?: unknown) =>
    new InvalidArgumentError({ syscall: "call", argument: "it", value, expected: "right", cause })
      .message;

  test("names the call, the argument, its value and what is right, on one line", () => {
    assert.equal(message("a\0\n"), 'call: it is "a\\0\\n", and must be right');
    assert.equal(message(undefined), "call: it is undefined, and must be right");
    assert.equal(message({ port: 1n }), "call: it is { port: 1n }, and must be right");
    assert.equal(message(NaN, new Error("why")), "call: it is NaN, and must be right (why)");
    assert.isBelow(message(new Array(1e5).fill("x".repeat(1e5))).length, 300);
    const state = { syscall: "call", subject: "it", problem: "is busy", remedy: "wait" };
    assert.equal(new InvalidStateError(state).message, "call: it is busy: wait");
  });
});

describe("a task that has left", () => {
  const hangup = (fields: { byTask?: boolean; cause?: unknown }) =>
    new SyscallHangup({ syscall: "exit_group", ...fields });

  it("is success for a call that ends its process, and a connection that was cut is none", function* () {
    yield* leaving(Effect.fail(hangup({ byTask: true })));
    const cut = hangup({ byTask: false, cause: new Error("cut") });
    for (const error of [cut, new SyscallSendError({ syscall: "exit_group" })])
      assert.strictEqual(yield* Effect.flip(leaving(Effect.fail(error))), error);
    assert.isTrue(hasLeft(hangup({ byTask: true })));
    assert.isFalse(hasLeft(cut));
  });

  test("is gone, unless the connection was ended here for a reason", () => {
    const gone = new SyscallSendError({ syscall: "read" });
    const errors = [hangup({}), gone, hangup({ cause: SyscallError.of("sendto", "EPIPE") })];
    for (const error of [...errors, hangup({ cause: gone })]) assert.isTrue(isGone(error));
    for (const error of [hangup({ cause: new Error("it lies") }), SyscallError.of("read", "EIO")])
      assert.isFalse(isGone(error));
  });
});

describe("a connection that ended", () => {
  it("says whether the call may have happened", function* () {
    const hangup: ConnectionError = new SyscallHangup({ syscall: "kill" });
    const unsent: ConnectionError = new SyscallSendError({ syscall: "kill" });
    assert.match(hangup.message, /^kill: .*may have been performed/);
    assert.match(unsent.message, /^kill: not sent/);
    const tag = yield* Effect.fail(hangup as ConnectionError).pipe(
      Effect.catchTag("SyscallHangup", ({ _tag }) => Effect.succeed(_tag)),
    );
    assert.equal(tag, "SyscallHangup");
  });
});
