import { closeSync, openSync, readdirSync } from "node:fs";
import { Errno, F, SIG, SigHow } from "@rsyscall/abi";
import { sigprocmask } from "@rsyscall/handle";
import {
  call,
  decorated,
  SyscallError,
  type SyscallInterface,
  SyscallSendError,
  type Word,
} from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { OP_CLONE } from "@rsyscall/wire";
import { Deferred, Effect, Scope } from "effect";
import type { TransportUnderTest } from "../src/index.ts";
import { fork, socketStub } from "./transports.ts";

/*
 * Transports that are wrong, each in one way.
 */

/** A Thread whose calls and memory go through something that is not right. */
const through = (
  base: TransportUnderTest,
  breaking: (sysif: SyscallInterface) => Partial<SyscallInterface>,
): TransportUnderTest => ({
  ...base,
  makeThread: () =>
    Effect.tap(base.makeThread(), ({ task }) =>
      task.decorate({
        decorate: (inner) =>
          decorated(inner, () => ({
            direct: undefined,
            waits: undefined,
            ...breaking(inner),
          })),
        isInherited: false,
      }),
    ),
});

/** A fork to which something was done before anybody has it. */
const changed = (
  change: (thread: Thread) => Effect.Effect<unknown, unknown, Scope.Scope>,
): TransportUnderTest => ({ ...fork, makeThread: () => Effect.tap(fork.makeThread(), change) });

const isLseek = ({ abi }: SyscallInterface, number: number) =>
  number === abi.syscallNumber("lseek");

/** Every second lseek lets the calls behind it pass. */
export const reorders = through(fork, (sysif) => {
  let count = 0;
  return {
    syscall: (number, ...words) =>
      Effect.suspend(() =>
        isLseek(sysif, number) && count++ % 2
          ? Effect.andThen(Effect.yieldNow, sysif.syscall(number, ...words))
          : sysif.syscall(number, ...words),
      ),
  };
});

/** Of long reads of memory the end is missing. */
export const losesBytes = through(fork, (sysif) => ({
  read: (address, length) =>
    Effect.map(sysif.read(address, length), (bytes) =>
      length > 65536 ? bytes.fill(0, 65536) : bytes,
    ),
}));

/** A write to memory goes its own way, and later calls may come before it. */
export const writesLate = through(socketStub, (sysif) => ({
  write: (address, bytes) =>
    Effect.asVoid(
      Effect.forkDetach(
        Effect.ignore(Effect.andThen(Effect.yieldNow, sysif.write(address, bytes.slice()))),
      ),
    ),
}));

/** Of offsets only 32 bits get there. */
export const truncates = through(fork, (sysif) => ({
  syscall: (number, fd = 0, offset = 0, ...words) =>
    sysif.syscall(
      number,
      fd,
      isLseek(sysif, number) ? Number(BigInt.asUintN(32, BigInt(offset))) : (offset as Word),
      ...(words as []),
    ),
}));

/** Calls that the kernel refuses look as if they had done something. */
export const hidesErrors = through(socketStub, (sysif) => ({
  syscall: (number, ...words) =>
    Effect.map(sysif.syscall(number, ...words), (result) => (Number(result) < 0 ? 0 : result)),
}));

/** Descriptors are never closed. */
export const neverClosesFds = through(socketStub, (sysif) => ({
  syscall: (number, ...words) =>
    number === sysif.abi.syscallNumber("close")
      ? Effect.succeed(0)
      : sysif.syscall(number, ...words),
}));

/** Nobody is told when a descriptor becomes ready. */
export const losesEvents = through(fork, (sysif) => ({
  syscall: (number, ...words) =>
    number === sysif.abi.syscallNumber("epoll_ctl")
      ? Effect.succeed(0)
      : sysif.syscall(number, ...words),
}));

/** Nobody hears of the end before the test is over. */
export const neverHangsUp = (over: Deferred.Deferred<void>): TransportUnderTest =>
  through(fork, (sysif) => {
    const late = <A, E>(self: Effect.Effect<A, E>) =>
      Effect.tapError(self, () => Deferred.await(over));
    return {
      syscall: (number, ...words) => late(sysif.syscall(number, ...words)),
      read: (address, length) => late(sysif.read(address, length)),
    };
  });

/** A call that was under way is said never to have been sent. */
export const deniesCalls = through(fork, (sysif) => ({
  syscall: (number, ...words) =>
    Effect.mapError(
      sysif.syscall(number, ...words),
      ({ syscall }) => new SyscallSendError({ syscall }),
    ),
}));

/** The end is an error like any other. */
export const hangsUpWithErrno = through(fork, (sysif) => ({
  syscall: (number, ...words) =>
    Effect.catch(sysif.syscall(number, ...words), () => Effect.succeed(-Errno.EIO)),
  read: (address, length) =>
    Effect.catch(sysif.read(address, length), () =>
      Effect.fail(SyscallError.of("memory read", "EIO")),
    ),
}));

/** No children can be made. Not wrong: the kernel may say so. */
export const forbidsClone = through(fork, (sysif) => ({
  syscall: (number, ...words) =>
    number === OP_CLONE ? Effect.succeed(-Errno.EPERM) : sysif.syscall(number, ...words),
}));

const leaked: Array<number> = [];

/** A descriptor of the controller stays open for each Thread. */
export const leaksDescriptors = changed(() =>
  Effect.sync(() => leaked.push(openSync("/dev/null", "r"))),
);

/** A descriptor of the controller stays open if nobody waits for the Thread any more. */
export const leaksWhenInterrupted = changed(() =>
  Effect.flatMap(
    Effect.sync(() => openSync("/dev/null", "r")),
    (fd) =>
      Effect.onInterrupt(
        Effect.andThen(
          Effect.yieldNow,
          Effect.addFinalizer(() => Effect.sync(() => closeSync(fd))),
        ),
        () => Effect.sync(() => leaked.push(fd)),
      ),
  ),
);

export const closeLeaked = Effect.sync(() => {
  for (const fd of leaked.splice(0)) closeSync(fd);
});

/** The process has a descriptor of which nobody has a handle, and which programs inherit. */
export const leavesDescriptors = changed(({ task }) => call(task.sysif, "fcntl", 0, F.DUPFD, 100));

/** The process has a descriptor that programs inherit, and says that it is its own. */
export const forgetsCloexec = changed((thread) =>
  Effect.flatMap(thread.stdin.dup(100), (fd) => fd.setCloexec(false)),
);

/** A signal is blocked, and nobody says so. */
export const blocksSignals = changed(({ task }) =>
  Effect.map(sigprocmask(task, SigHow.BLOCK, new Set([SIG.USR1])), () => {
    task.sigmask = new Set();
  }),
);

/** The process belongs to another scope than the one that is told to end it. */
export const outlives = (parent: Thread, scope: Scope.Scope): TransportUnderTest => ({
  ...fork,
  makeThread: () => Scope.provide(parent.fork(), scope),
});

/** The scope does not close before the test is over. */
/** Its processes go on without their controller: they are threads of this process. */
export const outlivesItsController: TransportUnderTest = {
  ...fork,
  controller: [
    "/bin/sh",
    "-c",
    `echo '[${readdirSync("/proc/self/task").slice(0, 6)}]'; exec sleep 1000`,
  ],
};

/** Its controller gets no Thread. */
export const noController: TransportUnderTest = {
  ...fork,
  controller: ["/bin/sh", "-c", "echo no such host >&2; exit 1"],
};

export const neverCloses = (over: Deferred.Deferred<void>): TransportUnderTest =>
  changed(() => Effect.addFinalizer(() => Deferred.await(over)));
