import { Errno, x86_64 } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import {
  Address,
  close,
  connect,
  definitions,
  epollPwait,
  Fd,
  getpid,
  NULL,
  read,
  type SyscallFailure,
  type SyscallInterface,
  type Word,
} from "../src/index.ts";

/** A task that gives these answers, and then the last one for ever; directly, or by an Effect. */
const answering = (answers: ReadonlyArray<number>, isDirect: boolean) => {
  let calls = 0;
  const answer = (): Word => answers[Math.min(calls++, answers.length - 1)] as number;
  const sysif: Partial<SyscallInterface> = {
    abi: x86_64,
    syscall: () => Effect.sync(answer),
    direct: isDirect ? { submit: answer, settle: () => {} } : undefined,
  };
  return { sysif: sysif as SyscallInterface, calls: () => calls };
};

const { EINTR } = Errno;

for (const isDirect of [true, false])
  describe(`a call that a signal interrupts, ${isDirect ? "directly" : "by an Effect"}`, () => {
    const reading = (answers: ReadonlyArray<number>) => {
      const { sysif, calls } = answering(answers, isDirect);
      return { call: read(sysif, Fd(3), Address(4096), 10), calls };
    };

    it("is made again", function* () {
      const { call, calls } = reading([-EINTR, -EINTR, 7]);
      assert.equal(yield* call, 7);
      assert.equal(calls(), 3);
    });

    it("is not made for ever, for a task that lies", function* () {
      const { call, calls } = reading([-EINTR]);
      assert.include((yield* Effect.flip(call)).message, "EINTR");
      assert.equal(calls(), 101);
    });

    it("is not made again if that would not be safe", function* () {
      const { sysif, calls } = answering([-EINTR], isDirect);
      const unsafe: ReadonlyArray<Effect.Effect<unknown, SyscallFailure>> = [
        close(sysif, Fd(3)),
        connect(sysif, Fd(3), Address(4096), 16),
        epollPwait(sysif, Fd(3), Address(4096), 1, 1000, NULL),
        getpid(sysif),
      ];
      for (const call of unsafe) assert.include((yield* Effect.flip(call)).message, "EINTR");
      assert.equal(calls(), 4);
    });

    it("can be interrupted", function* () {
      const { call } = reading([-EINTR]);
      yield* Fiber.interrupt(yield* Effect.forkChild(Effect.forever(Effect.ignore(call))));
    });
  });

describe("the calls that are made again", () => {
  it("have no timeout, and change nothing if they are interrupted", function* () {
    const names = [...definitions.values()].filter(({ restarts }) => restarts);
    assert.isAbove(names.length, 20);
    for (const { name } of names)
      assert.notInclude(
        ["close", "connect", "nanosleep", "poll", "ppoll", "epoll_pwait", "futex", "dup3"],
        name,
      );
    yield* Effect.void;
  });
});
