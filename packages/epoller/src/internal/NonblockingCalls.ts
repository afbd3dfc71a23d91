import { EPOLL, Errno, MSG, O, S_IF, S_IFMT } from "@rsyscall/abi";
import { type FileDescriptor, type IoFailure, pollNow, Socket } from "@rsyscall/handle";
import { type Address, impossible, isError, SyscallError, type Word } from "@rsyscall/near";
import { Effect } from "effect";

/**
 * The calls that replace read(2) and write(2) on a socket, because a flag makes them non-blocking: another process
 * with the same open file, such as the one that has passed it, may clear O_NONBLOCK at any time.
 */
const directions = {
  read: "recvfrom",
  recvfrom: "recvfrom",
  write: "sendto",
  sendto: "sendto",
  accept4: undefined,
} as const;

/** The number of bytes of one copying call. */
const COPY_SIZE = 1024 * 1024;

/** The number of bytes that a pipe, terminal or stream socket takes without waiting when it is ready: pipe(7). */
const PIPE_BUF = 4096;

/**
 * The way in which calls are made non-blocking. O_NONBLOCK is a flag of the open file, and so affects all processes
 * that have it: if a program that is killed leaves it on the stdin of a shell, the next command fails with EAGAIN. So
 * it is not set on an open file that other processes may share.
 *
 * - `flag`: O_NONBLOCK
 * - `dontwait`: MSG_DONTWAIT in each call on a socket
 * - `poll`: poll(2) before each call. If another process reads from the same open file between the two, the call
 *   blocks until more arrives.
 */
type Without = "flag" | "dontwait" | "poll";

type CallName = "read" | "write" | "recvfrom" | "sendto" | "accept4";

/** Non-blocking system calls on a descriptor: they give "EAGAIN" instead of waiting. */
export class NonblockingCalls {
  readonly #handle: FileDescriptor;
  readonly #without: Without;

  private constructor(handle: FileDescriptor, without: Without) {
    this.#handle = handle;
    this.#without = without;
  }

  /** Makes the descriptor non-blocking if no other process shares the open file. */
  static make(handle: FileDescriptor): Effect.Effect<NonblockingCalls, IoFailure> {
    return Effect.map(withoutWaiting(handle), (without) => new NonblockingCalls(handle, without));
  }

  /** The calls on a descriptor that was opened as non-blocking, and that no other process has. */
  static ofOpened(handle: FileDescriptor): NonblockingCalls {
    return new NonblockingCalls(handle, "flag");
  }

  /** Whether calls that have no flag of their own, and depend on O_NONBLOCK, do not wait either. */
  get neverWait(): boolean {
    return this.#without === "flag";
  }

  /** The number of bytes of one copying call to this descriptor. */
  get copySize(): number {
    return this.neverWait ? COPY_SIZE : PIPE_BUF;
  }

  /**
   * Makes a call.
   *
   * @param most the maximum result
   */
  call(
    name: CallName,
    address: Address,
    size: number,
    flags: number,
    most = size,
  ): Effect.Effect<number | "EAGAIN", IoFailure> {
    if (this.#without === "flag") return this.#perform(name, address, size, flags, most);
    if (this.#without === "dontwait" && name !== "accept4") {
      const onSocket = name === "read" ? "recvfrom" : name === "write" ? "sendto" : name;
      return this.#perform(onSocket, address, size, flags | MSG.DONTWAIT, most);
    }
    const writes = name === "write" || name === "sendto";
    return Effect.flatMap(
      pollNow(this.#handle, writes ? EPOLL.OUT : EPOLL.IN),
      (events): Effect.Effect<number | "EAGAIN", IoFailure> =>
        events === 0
          ? Effect.succeed("EAGAIN")
          : this.#perform(name, address, writes ? Math.min(size, PIPE_BUF) : size, flags, most),
    );
  }

  /** The call itself, without the cost of an error object for every EAGAIN. */
  #perform(
    name: CallName,
    address: Address,
    size: number,
    flags: number,
    most: number,
  ): Effect.Effect<number | "EAGAIN", IoFailure> {
    const handle = this.#handle;
    const { sysif } = handle.task;
    const direction = handle instanceof Socket ? directions[name] : undefined;
    const number = sysif.abi.syscallNumber(direction ?? name) as number;
    const allFlags = direction === undefined ? flags : flags | MSG.DONTWAIT;
    return Effect.suspend((): Effect.Effect<number | "EAGAIN", IoFailure> => {
      if (!handle.isValid) return Effect.fail(handle.invalidError);
      return Effect.flatMap(
        sysif.syscall(number, handle.near, address, size, allFlags, 0, 0),
        (result: Word): Effect.Effect<number | "EAGAIN", SyscallError> => {
          if (result === -Errno.EAGAIN) return Effect.succeed("EAGAIN");
          if (isError(result))
            return Effect.fail(SyscallError.from(name, result, `fd ${handle.near}`));
          return result >= 0 && result <= most
            ? Effect.succeed(Number(result))
            : Effect.fail(impossible(name, `fd ${handle.near}`, `${result} of ${most}`));
        },
      );
    });
  }
}

const withoutWaiting = (fd: FileDescriptor): Effect.Effect<Without, IoFailure> =>
  fd.isShared
    ? Effect.flatMap(fd.statusFlags(), (flags) =>
        flags & O.NONBLOCK
          ? Effect.succeed("flag")
          : Effect.map(fd.fstat(), ({ mode }) =>
              (mode & S_IFMT) === S_IF.SOCK ? "dontwait" : "poll",
            ),
      )
    : Effect.as(fd.setNonblock(), "flag");
