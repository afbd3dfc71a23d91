import { EPOLL, Errno, MSG, type SyscallName } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { writeMemory } from "@rsyscall/native";
import {
  type Address,
  type Fd,
  isError,
  LocalSyscallInterface,
  SyscallError,
  type Word,
} from "@rsyscall/near";
import { Effect } from "effect";
import type { FileEnd } from "./FileEnd.ts";

/*
 * Bytes of files over a socket of this process. The calls are made without an Effect each, as many as the socket
 * allows: an Effect takes longer than such a call.
 */

/** Bytes that are read and written at a time: few enough to stay in the cache of a CPU. */
const PART_SIZE = 64 * 1024;

type Call = (name: SyscallName, fd: Fd, address: number, size: number, last: number) => Word;

/** Makes calls until the transfer is over: true if it is whole, false if the socket has ended. */
type Step = (
  call: Call,
  buffer: Address,
  file: Fd | undefined,
) => boolean | "EAGAIN" | SyscallError;

/** Sends bytes of a file, and zeros in place of those that it does not have. */
export const sendFile = (
  socket: AsyncFileDescriptor<Socket>,
  source: FileEnd<unknown>,
  offset: number,
  length: number,
): Effect.Effect<boolean, HandleFailure> => {
  let done = 0;
  let filled = 0;
  let sent = 0;
  return repeated(socket, EPOLL.OUT, source, (call, buffer, file) => {
    for (;;) {
      if (sent === filled) {
        done += filled;
        if (done === length) return true;
        const size = Math.min(PART_SIZE, length - done);
        const at = offset + done;
        filled =
          file === undefined
            ? 0
            : source.move("pread64", file, size, (read) =>
                call("pread64", file, buffer + read, size - read, at + read),
              );
        if (filled < size) writeMemory(buffer + filled, new Uint8Array(size - filled));
        filled = size;
        sent = 0;
      }
      const flags = MSG.NOSIGNAL | MSG.DONTWAIT;
      const result = call("sendto", socket.handle.near, buffer + sent, filled - sent, flags);
      if (result === -Errno.EAGAIN) return "EAGAIN";
      if (isError(result)) return SyscallError.from("sendto", result, `fd ${socket.handle.near}`);
      sent += Number(result);
    }
  });
};

/** Writes bytes from the socket to a file, as long as it takes them. */
export const receiveFile = (
  socket: AsyncFileDescriptor<Socket>,
  target: FileEnd<unknown>,
  offset: number,
  length: number,
): Effect.Effect<boolean, HandleFailure> => {
  let done = 0;
  return repeated(socket, EPOLL.IN, target, (call, buffer, file) => {
    while (done < length) {
      const size = Math.min(PART_SIZE, length - done);
      const result = call("recvfrom", socket.handle.near, buffer, size, MSG.DONTWAIT);
      if (result === -Errno.EAGAIN) return "EAGAIN";
      if (isError(result)) return SyscallError.from("recvfrom", result, `fd ${socket.handle.near}`);
      const got = Number(result);
      if (got === 0) return false;
      const at = offset + done;
      if (file !== undefined)
        target.move("pwrite64", file, got, (written) =>
          call("pwrite64", file, buffer + written, got - written, at + written),
        );
      done += got;
    }
    return true;
  });
};

/** Repeats a step, and waits for the socket in between. */
const repeated = (
  socket: AsyncFileDescriptor<Socket>,
  event: typeof EPOLL.IN | typeof EPOLL.OUT,
  file: FileEnd<unknown>,
  step: Step,
): Effect.Effect<boolean, HandleFailure> => {
  const { handle } = socket;
  const { task } = handle;
  const local = LocalSyscallInterface.of(task.sysif) as LocalSyscallInterface;
  const call: Call = (name, fd, address, size, last) => {
    const number = local.abi.syscallNumber(name) as number;
    let result: Word;
    do result = local.submit(number, fd, address, size, last, 0, 0);
    while (result === -Errno.EINTR);
    return result;
  };
  return task.withMemory(PART_SIZE, 8, (buffer) =>
    socket.whenReady(
      event,
      Effect.flatMap(file.fd, (fd): Effect.Effect<boolean | "EAGAIN", HandleFailure> => {
        if (!handle.isValid) return Effect.fail(handle.invalidError);
        const outcome = step(call, buffer, fd);
        return outcome instanceof SyscallError ? Effect.fail(outcome) : Effect.succeed(outcome);
      }),
    ),
  );
};
