import { EPOLL_CLOEXEC, EPOLL_CTL, Sigset, Timespec } from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, type Fd, NULL } from "../identifiers.ts";
import { fd, flags, input, int, oneOf, output, sigsetSize, smallSize } from "../kinds.ts";
import { array, value } from "../Memory.ts";
import { countOf, newFd, nothing } from "../Result.ts";

/** epoll_create1(2) */
export const epollCreate1 = define<[flags: number], Fd>(
  "epoll_create1",
  [flags("EPOLL_", { CLOEXEC: EPOLL_CLOEXEC })],
  newFd,
  { prompt: true },
);

/**
 * epoll_ctl(2): the layout of the event is `abi.epollEvent` of the task. Not prompt: it polls the file once, which
 * asks the FUSE server if the file is one of FUSE.
 */
export const epollCtl = define<[epoll: Fd, operation: number, fd: Fd, event: Address], void>(
  "epoll_ctl",
  [
    fd.as("epoll"),
    oneOf("EPOLL_CTL_", EPOLL_CTL, "operation"),
    fd,
    input(
      value(({ epollEvent }) => epollEvent),
      "event",
    ),
  ],
  nothing,
  { about: 2 },
);

/** epoll_pwait(2), which all machines have. `timeout` is in milliseconds; -1 for none. */
export const epollPwait = define<
  [epoll: Fd, events: Address, most: number, timeout: number, mask?: Address, maskSize?: number],
  number
>(
  "epoll_pwait",
  [
    fd.as("epoll"),
    output(
      array(({ epollEvent }) => epollEvent, 2),
      "events",
    ),
    smallSize.as("most"),
    int.as("timeout"),
    input(value(Sigset), "mask").or(NULL),
    sigsetSize,
  ],
  countOf(2),
);

/** epoll_pwait2(2): with a timespec as the timeout; NULL for none. Since Linux 5.11. */
export const epollPwait2 = define<
  [epoll: Fd, events: Address, most: number, timeout: Address, mask?: Address, maskSize?: number],
  number
>(
  "epoll_pwait2",
  [
    fd.as("epoll"),
    output(
      array(({ epollEvent }) => epollEvent, 2),
      "events",
    ),
    smallSize.as("most"),
    input(value(Timespec), "timeout"),
    input(value(Sigset), "mask").or(NULL),
    sigsetSize,
  ],
  countOf(2),
);
