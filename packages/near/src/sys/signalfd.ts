import { SFD, Sigset } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fdOrNone, flags, input, size } from "../kinds.ts";
import { value } from "../Memory.ts";
import { newFd } from "../Result.ts";

/** signalfd4, the system call behind signalfd(2): makes a new descriptor if `fd` is -1. `maskSize` is 8. */
export const signalfd = define<[fd: Fd | -1, mask: Address, maskSize: number, flags: number], Fd>(
  "signalfd4",
  [fdOrNone, input(value(Sigset), "mask"), size.as("maskSize"), flags("SFD_", SFD)],
  newFd,
  { prompt: true, about: (fd) => `fd ${fd}` },
);
