import { IN } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fd, flags, int, path } from "../kinds.ts";
import { between, newFd, nothing } from "../Result.ts";

const { NONBLOCK, CLOEXEC, ...masks } = IN;

/** inotify_init1(2) */
export const inotifyInit1 = define<[flags: number], Fd>(
  "inotify_init1",
  [flags("IN_", { NONBLOCK, CLOEXEC })],
  newFd,
  { prompt: true },
);

/** inotify_add_watch(2): gives the watch descriptor. */
export const inotifyAddWatch = define<[fd: Fd, path: Address, mask: number], number>(
  "inotify_add_watch",
  [fd, path, flags("IN_", masks).as("mask")],
  between(0, 2 ** 31 - 1),
);

/** inotify_rm_watch(2) */
export const inotifyRmWatch = define<[fd: Fd, watch: number], void>(
  "inotify_rm_watch",
  [fd, int.as("watch")],
  nothing,
  { about: (_, watch) => `watch ${watch}` },
);
