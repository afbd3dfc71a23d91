import { Errno, SECCOMP_RET, SECCOMP_USER_NOTIF_FLAG_CONTINUE } from "@rsyscall/abi";
import { type FileDescriptor, getppid, prctl, umask } from "@rsyscall/handle";
import { it } from "@rsyscall/harness";
import { catchErrno, InvalidArgumentError, type SyscallError } from "@rsyscall/near";
import {
  assemble,
  type FilterLine,
  jumpIf,
  load,
  returns,
  SeccompListener,
  setSeccompFilter,
} from "@rsyscall/seccomp";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";

/** A filter for one call, and all others are allowed. */
const filterFor = (number: number, action: number): ReadonlyArray<FilterLine> => [
  load("nr"),
  jumpIf("JEQ", number, "found"),
  returns(SECCOMP_RET.ALLOW),
  "found",
  returns(action),
];

describe("setSeccompFilter", () => {
  it("makes a call fail in a child", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.fork();
    const number = child.task.abi.syscallNumber("umask") as number;
    yield* prctl.setNoNewPrivs(child);
    yield* setSeccompFilter(child, filterFor(number, SECCOMP_RET.ERRNO | Errno.EXDEV));
    const error = yield* Effect.flip(umask(child, 0o22));
    assert.include(error.message, "EXDEV");
    yield* getppid(child);
  });

  it("refuses a program that cannot be", function* () {
    const child = yield* (yield* LocalThread).fork();
    for (const filter of [
      [jumpIf("JEQ", 1, "nowhere"), returns(0)],
      ["above", load("nr"), jumpIf("JEQ", 1, "above"), returns(0)],
    ]) {
      assert.throws(() => assemble(filter), RangeError, "label");
      assert.instanceOf(yield* Effect.flip(setSeccompFilter(child, filter)), InvalidArgumentError);
    }
    // The kernel checks the rest: a program has to end.
    yield* prctl.setNoNewPrivs(child);
    const error = yield* Effect.flip(setSeccompFilter(child, [load("nr")]));
    assert.equal((error as SyscallError).errno, "EINVAL");
  });
});

describe("SeccompListener", () => {
  it("receives a call of a child and answers it", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.fork();
    const number = child.task.abi.syscallNumber("umask") as number;
    yield* prctl.setNoNewPrivs(child);
    const own = yield* SeccompListener.make(child, filterFor(number, SECCOMP_RET.USER_NOTIF));
    const [passed] = yield* child.connection.passFrom([own]);
    const listener = yield* (passed as FileDescriptor).narrow(SeccompListener);
    const epoller = yield* thread.epoller();

    const answered = (error: number, val: bigint, flags: number) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Effect.exit(umask(child, 0o27)));
        yield* epoller.waitFor(listener, 1);
        const { id, data, pid } = yield* listener.receive();
        assert.equal(pid, child.task.pid);
        assert.equal(data.nr, number);
        assert.equal(data.args[0], 0o27n);
        assert.isTrue(yield* listener.idValid(id));
        yield* listener.send({ id, val, error, flags });
        assert.isFalse(yield* listener.idValid(id));
        return yield* Fiber.join(fiber);
      });
    assert.include(String(yield* answered(-Errno.EDOM, 0n, 0)), "EDOM");
    assert.include(String(yield* answered(0, 0o123n, 0)), String(0o123));
    yield* answered(0, 0n, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    const again = yield* answered(0, 0n, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    assert.include(String(again), String(0o27));
    // A call whose process was killed meanwhile has no answer.
    const gone = yield* listener
      .send({ id: 4711n, val: 0n, error: 0, flags: 0 })
      .pipe(catchErrno("ENOENT", () => Effect.succeed("gone")));
    assert.equal(gone, "gone");
  });

  it("is told from other descriptors", function* () {
    const thread = yield* LocalThread;
    for (const path of ["/dev/null", "/proc/self/status", "/"]) {
      const error = yield* Effect.flip((yield* thread.open(path)).narrow(SeccompListener));
      assert.equal(error._tag, "WrongKindError", path);
    }
  });
});
