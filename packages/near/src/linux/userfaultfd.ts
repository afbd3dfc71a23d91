import { O } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Fd } from "../identifiers.ts";
import { flags } from "../kinds.ts";
import { newFd } from "../Result.ts";

/** userfaultfd(2) */
export const userfaultfd = define<[flags: number], Fd>(
  "userfaultfd",
  [flags("", { O_NONBLOCK: O.NONBLOCK, O_CLOEXEC: O.CLOEXEC, UFFD_USER_MODE_ONLY: 1 })],
  newFd,
);
