import { EPOLL, Errno, MSG, O, S_IF, S_IFMT } from "@rsyscall/abi";
import { type FileDescriptor, type HandleFailure, pollNow, Socket } from "@rsyscall/handle";
import { type Address, impossible, isError, SyscallError, type Word } from "@rsyscall/near";
import { Effect } from "effect";

/**
 * What is read from a socket, and written to it, by calls that can be told not to wait: a process with the same
 * open file, such as one that has passed it here, may take O_NONBLOCK away at any time.
 */
const directions = {
  read: "recvfrom",
  recvfrom: "recvfrom",
  write: "sendto",
  sendto: "sendto",
  accept4: undefined,
} as const;

/** Bytes that one copying call is asked for. */
const COPY_SIZE = 1024 * 1024;

/** Bytes that a pipe, a terminal or a stream socket that is ready takes without waiting: pipe(7). */
const PIPE_BUF = 4096;

/**
 * What keeps calls from waiting. O_NONBLOCK is a flag of the open file, and so of all processes that have it:
 * left behind on the stdin of a shell, as it would be by a program that is killed, it makes the next command
 * fail with EAGAIN. So it is set on nothing that others may share.
 *
 * - `flag`: O_NONBLOCK
 * - `dontwait`: MSG_DONTWAIT, of each call on a socket
 * - `poll`: poll(2) before each call. Between the two another process may take what was there, if it reads
 *   from the same open file; then the call waits for more.
 */
type Without = "flag" | "dontwait" | "poll";

type CallName = "read" | "write" | "recvfrom" | "sendto" | "accept4";

/** System calls on a descriptor that do not wait: they give "EAGAIN" instead. */
export class NonblockingCalls {
  readonly #handle: FileDescriptor;
  readonly #without: Without;

  private constructor(handle: FileDescriptor, without: Without) {
    this.#handle = handle;
    this.#without = without;
  }

  /** Makes the descriptor non-blocking if no other process shares the open file. */
  static make(handle: FileDescriptor): Effect.Effect<NonblockingCalls, HandleFailure> {
    return Effect.map(withoutWaiting(handle), (without) => new NonblockingCalls(handle, without));
  }

  /** Whether calls that know no flag but O_NONBLOCK do not wait either. */
  get neverWait(): boolean {
    return this.#without === "flag";
  }

  /** Bytes that one copying call to this descriptor is asked for. */
  get copySize(): number {
    return this.neverWait ? COPY_SIZE : PIPE_BUF;
  }

  /**
   * Makes a call.
   *
   * @param most what the result can be
   */
  call(
    name: CallName,
    address: Address,
    size: number,
    flags: number,
    most = size,
  ): Effect.Effect<number | "EAGAIN", HandleFailure> {
    if (this.#without === "flag") return this.#perform(name, address, size, flags, most);
    if (this.#without === "dontwait" && name !== "accept4") {
      const onSocket = name === "read" ? "recvfrom" : name === "write" ? "sendto" : name;
      return this.#perform(onSocket, address, size, flags | MSG.DONTWAIT, most);
    }
    const writes = name === "write" || name === "sendto";
    return Effect.flatMap(
      pollNow(this.#handle, writes ? EPOLL.OUT : EPOLL.IN),
      (events): Effect.Effect<number | "EAGAIN", HandleFailure> =>
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
  ): Effect.Effect<number | "EAGAIN", HandleFailure> {
    const handle = this.#handle;
    const { sysif } = handle.task;
    const direction = handle instanceof Socket ? directions[name] : undefined;
    const number = sysif.abi.syscallNumber(direction ?? name) as number;
    const allFlags = direction === undefined ? flags : flags | MSG.DONTWAIT;
    return Effect.suspend((): Effect.Effect<number | "EAGAIN", HandleFailure> => {
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

const withoutWaiting = (fd: FileDescriptor): Effect.Effect<Without, HandleFailure> =>
  fd.isShared
    ? Effect.flatMap(fd.statusFlags(), (flags) =>
        flags & O.NONBLOCK
          ? Effect.succeed("flag")
          : Effect.map(fd.fstat(), ({ mode }) =>
              (mode & S_IFMT) === S_IF.SOCK ? "dontwait" : "poll",
            ),
      )
    : Effect.as(fd.setNonblock(), "flag");
