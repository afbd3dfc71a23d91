import { O } from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, type Fd, NULL, type PidLike } from "../identifiers.ts";
import { fd, flags, input, pid, signal } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { newFd, nothing } from "../Result.ts";

/** pidfd_open(2), always close-on-exec. */
export const pidfdOpen = define<[pid: PidLike, flags: number], Fd>(
  "pidfd_open",
  [pid, flags("PIDFD_", { NONBLOCK: O.NONBLOCK, THREAD: O.EXCL })],
  newFd,
);

/** pidfd_send_signal(2); like kill(2) if `info` is not given. Not prompt: it may stop the task itself. */
export const pidfdSendSignal = define<
  [pidfd: Fd, signal: number, info?: Address, flags?: number],
  void
>(
  "pidfd_send_signal",
  [
    fd.as("pidfd"),
    signal,
    input(unknown, "info").or(NULL),
    flags("PIDFD_SIGNAL_", { THREAD: 1, THREAD_GROUP: 2, PROCESS_GROUP: 4 }).or(0),
  ],
  nothing,
);

/** pidfd_getfd(2): duplicates a descriptor of another process, close-on-exec. */
export const pidfdGetfd = define<[pidfd: Fd, fd: Fd, flags?: number], Fd>(
  "pidfd_getfd",
  [fd.as("pidfd"), fd, flags().or(0)],
  newFd,
  { about: 1 },
);
