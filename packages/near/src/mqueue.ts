import { Timespec, Uint32 } from "@rsyscall/abi";
import { define } from "./define.ts";
import type { Address, Fd } from "./identifiers.ts";
import { fd, input, mode, openFlags, output, size, uint } from "./kinds.ts";
import { bytes, cString, unknown, value } from "./Memory.ts";
import { countOf, newFd, nothing } from "./Result.ts";

/** mq_open(2): the name has no slash; `attributes` is a `struct mq_attr`. */
export const mqOpen = define<[name: Address, flags: number, mode: number, attributes: Address], Fd>(
  "mq_open",
  [input(cString, "name"), openFlags, mode, input(unknown, "attributes")],
  newFd,
);

/** mq_unlink(2): the name has no slash. */
export const mqUnlink = define<[name: Address], void>(
  "mq_unlink",
  [input(cString, "name")],
  nothing,
);

/** mq_timedsend(2) */
export const mqTimedsend = define<
  [fd: Fd, message: Address, length: number, priority: number, timeout: Address],
  void
>(
  "mq_timedsend",
  [fd, input(bytes(2), "message"), size, uint.as("priority"), input(value(Timespec), "timeout")],
  nothing,
);

/** mq_timedreceive(2) */
export const mqTimedreceive = define<
  [fd: Fd, message: Address, length: number, priority: Address, timeout: Address],
  number
>(
  "mq_timedreceive",
  [
    fd,
    output(bytes(2), "message"),
    size,
    output(value(Uint32), "priority"),
    input(value(Timespec), "timeout"),
  ],
  countOf(2),
);

/** mq_notify(2): `event` is a `struct sigevent`, or NULL. */
export const mqNotify = define<[fd: Fd, event: Address], void>(
  "mq_notify",
  [fd, input(unknown, "event")],
  nothing,
);

/** mq_getsetattr(2): either address may be NULL. */
export const mqGetsetattr = define<[fd: Fd, attributes: Address, old: Address], void>(
  "mq_getsetattr",
  [fd, input(unknown, "attributes"), output(unknown, "old")],
  nothing,
);
