import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fd, flags, inout, input, size, uint } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { between, countOf, newFd } from "../Result.ts";

/** io_uring_setup(2): a `struct io_uring_params`. */
export const ioUringSetup = define<[entries: number, parameters: Address], Fd>(
  "io_uring_setup",
  [uint.as("entries"), inout(unknown, "parameters")],
  newFd,
);

/** io_uring_enter(2) */
export const ioUringEnter = define<
  [fd: Fd, submit: number, complete: number, flags: number, argument: Address, length: number],
  number
>(
  "io_uring_enter",
  [
    fd,
    uint.as("submit"),
    uint.as("complete"),
    flags("IORING_ENTER_", {
      GETEVENTS: 1,
      SQ_WAKEUP: 2,
      SQ_WAIT: 4,
      EXT_ARG: 8,
      REGISTERED_RING: 16,
    }),
    input(unknown, "argument"),
    size,
  ],
  countOf(1),
);

/** io_uring_register(2): the meaning of `argument` depends on the operation. */
export const ioUringRegister = define<
  [fd: Fd, operation: number, argument: Address, count: number],
  number
>(
  "io_uring_register",
  [fd, uint.as("operation"), inout(unknown, "argument"), uint.as("count")],
  between(0, 2 ** 31 - 1),
);
