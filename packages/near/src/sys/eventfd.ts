import { EFD } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Fd } from "../identifiers.ts";
import { flags, uint } from "../kinds.ts";
import { newFd } from "../Result.ts";

/** eventfd2, the system call behind eventfd(2). */
export const eventfd = define<[initial: number, flags: number], Fd>(
  "eventfd2",
  [uint.as("initial"), flags("EFD_", EFD)],
  newFd,
  { prompt: true },
);
