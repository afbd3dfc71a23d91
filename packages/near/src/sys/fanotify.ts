import { FAN, FAN_EVENT, FAN_MARK } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, DirectoryFd, Fd } from "../identifiers.ts";
import { directory, fd, flags, longFlags, openFlags, path } from "../kinds.ts";
import { newFd, nothing } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

/** fanotify_init(2) */
export const fanotifyInit = define<[flags: number, eventFlags: number], Fd>(
  "fanotify_init",
  [flags("FAN_", FAN), openFlags.as("eventFlags")],
  newFd,
);

/** fanotify_mark(2): a directory and a path name the object; NULL for the directory itself. */
export const fanotifyMark = define<
  [fd: Fd, flags: number, mask: Word, directory: DirectoryFd, path: Address],
  void
>(
  "fanotify_mark",
  [fd, flags("FAN_MARK_", FAN_MARK), longFlags("FAN_", FAN_EVENT).as("mask"), directory, path],
  nothing,
);
