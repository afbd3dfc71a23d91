import { PollFd, Timespec } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { IoFailure } from "./errors.ts";
import type { FileDescriptor } from "./FileDescriptor.ts";

/** poll(2) of one descriptor without waiting: returns which of `events` (`POLL`), ERR, HUP and NVAL hold now. */
export const pollNow = (fd: FileDescriptor, events: number): Effect.Effect<number, IoFailure> => {
  const { task } = fd;
  const size = PollFd.size;
  return Effect.flatMap(fd.number(), (number) =>
    task.withMemory(size + Timespec.size, 8, (address) => {
      const timeout = near.Address(address + size);
      const polled = near.batchThen(
        [near.ppoll(task.sysif, address, 1, timeout)],
        task.sysif.read(address, size),
      );
      // A timeout of zeros: the call does not wait.
      const bytes = new Uint8Array(size + Timespec.size);
      PollFd.encode({ fd: number, events, revents: 0 }, bytes);
      return Effect.andThen(
        task.sysif.write(address, bytes),
        Effect.map(polled, ([, bytes]) => PollFd.decode(bytes).revents),
      );
    }),
  );
};
