import { EPOLL, SIG, SigHow, Sigset, Timespec } from "@rsyscall/abi";
import type { Epoller } from "@rsyscall/epoller";
import {
  type FileDescriptor,
  type HandleFailure,
  nothingWritten,
  type Task,
  writeAll,
} from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import { Effect } from "effect";

/** The set of SIGPIPE alone, and no time at all. */
const PIPE_SET = new Uint8Array(Sigset.size + Timespec.size);
Sigset.encode(new Set([SIG.PIPE]), PIPE_SET);

/**
 * Writes to a descriptor that may be a pipe without readers: EPIPE, and no SIGPIPE. The signal, which would
 * end the process, is blocked and taken before it is delivered, in the same round trip as the write(2).
 */
export const writeWithoutSignal = (
  task: Task,
  fd: near.Fd,
  address: near.Address,
  length: number,
): Effect.Effect<number, HandleFailure> => {
  const { sysif } = task;
  const write = near.write(sysif, fd, address, length);
  // Node ignores it. A program that has blocked it may want it to be pending.
  if (near.LocalSyscallInterface.of(sysif) !== undefined || task.sigmask.has(SIG.PIPE))
    return write;
  return task.withBytes(
    PIPE_SET,
    (set) =>
      Effect.flatMap(
        near.batchExits([
          near.sigprocmask(sysif, SigHow.BLOCK, set, near.NULL),
          write,
          near.sigtimedwait(sysif, set, near.NULL, near.Address(set + Sigset.size)),
          near.sigprocmask(sysif, SigHow.UNBLOCK, set, near.NULL),
        ]),
        ([, written]) => written,
      ),
    8,
  );
};

/** Writes all bytes in this way to a descriptor that does not block. */
export const writeAllWithoutSignal = (
  epoller: Epoller,
  fd: FileDescriptor,
  bytes: Uint8Array,
): Effect.Effect<void, HandleFailure> => {
  const { task } = fd;
  if (bytes.length === 0) return Effect.void;
  return task.withBytes(bytes, (address) => {
    const write = (done: number): Effect.Effect<number, HandleFailure> =>
      Effect.flatMap(fd.borrow(task), (number) =>
        writeWithoutSignal(task, number, near.Address(address + done), bytes.length - done),
      ).pipe(
        near.catchErrno("EAGAIN", () =>
          Effect.andThen(epoller.waitFor(fd, EPOLL.OUT), write(done)),
        ),
      );
    return writeAll(bytes.length, write, nothingWritten("write", `fd ${fd.near}`));
  });
};
