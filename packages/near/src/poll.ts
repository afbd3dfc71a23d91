import { PollFd, Sigset, Timespec } from "@rsyscall/abi";
import { define } from "./define.ts";
import { type Address, NULL } from "./identifiers.ts";
import { inout, input, sigsetSize, uint } from "./kinds.ts";
import { array, value } from "./Memory.ts";
import { countOf } from "./Result.ts";

/** ppoll(2): gives the number of descriptors that have events. */
export const ppoll = define<
  [fds: Address, count: number, timeout: Address, mask?: Address, maskSize?: number],
  number
>(
  "ppoll",
  [
    inout(array(PollFd, 1), "fds"),
    uint.as("count"),
    inout(value(Timespec), "timeout"),
    input(value(Sigset), "mask").or(NULL),
    sigsetSize,
  ],
  countOf(1),
);
